import { z } from 'zod'
import { Id } from '../messages/common.ts'

const Name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
const Names = z.array(Name).min(1).max(50)
const Days = z.int().min(1).max(36_525)

/** KMS key specs that Writ can sign with, in the words of the KMS API. */
export const SIGNING_KEY_SPECS = ['ECC_NIST_EDWARDS25519', 'ECC_NIST_P256'] as const

/** Where evidence of one jurisdiction may lie and which keys may vouch for it. */
export const ResidencyDemand = z
  .strictObject({
    /** The AWS partition, for example `aws` or `aws-eusc`. */
    partition: Name,
    bucket_regions: Names,
    /** Origins (`https://host[:port]`) of S3 servers other than the SDK's own endpoint of the region. Absent: none. */
    endpoints: z
      .array(z.url({ protocol: /^https?$/ }))
      .min(1)
      .max(20)
      .exactOptional(),
    retention_days_min: Days,
    retention_days_max: Days,
    /** Absent: the keys that sign the log are files, and no key in a KMS is taken. */
    keys: z.strictObject({ regions: Names, specs: z.array(z.enum(SIGNING_KEY_SPECS)).min(1) }).exactOptional(),
  })
  .refine(({ retention_days_min: min, retention_days_max: max }) => min <= max, {
    path: ['retention_days_max'],
    message: 'is below the minimum',
  })
export type ResidencyDemand = z.output<typeof ResidencyDemand>

/** Where a key in a KMS is. */
export interface KeyPlace {
  readonly region: string
  readonly partition: string
  /** Copies of it may live in other regions. */
  readonly multiRegion: boolean
}

/** Why a key may not serve a jurisdiction, as the end of a sentence about it; undefined: it may. */
export function misplacedKey(key: KeyPlace, { partition, keys }: ResidencyDemand): string | undefined {
  if (key.partition !== partition) return `it is in the partition ${key.partition}, not in ${partition}`
  if (key.multiRegion) return 'it may be copied to other regions'
  if (keys === undefined) return 'the table says of no region that keys in a KMS may be there'
  if (!keys.regions.includes(key.region)) return `it is in ${key.region}, not in ${keys.regions.join(' or ')}`
  return undefined
}

/** The operator's file of what each jurisdiction demands. A jurisdiction is the region of a plane. */
export const ResidencyTable = z.strictObject({ version: z.literal(1), jurisdictions: z.record(Id, ResidencyDemand) })
export type ResidencyTable = z.output<typeof ResidencyTable>
