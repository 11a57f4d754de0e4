import type { ResidencyDemand } from '@writ/contracts'
import { partitionOf } from './bucket-facts.ts'
import type { CheckResult } from './check-result.ts'

/** A signing key as its KMS describes it. */
export interface KeyDescription {
  readonly region: string
  /** From the key's ARN. */
  readonly partition: string
  /** In the words of the KMS API, for example `ECC_NIST_EDWARDS25519`. */
  readonly spec: string
  /** Copies of it may live in other regions. */
  readonly multiRegion: boolean
}

/** Compares a key that signs the log with what the jurisdiction demands. `described` is undefined for a key in a file. */
export function keyFact(
  check: 'log_key' | 'cosign_key',
  described: KeyDescription | undefined,
  demand: ResidencyDemand | undefined,
): CheckResult {
  const keys = demand?.keys
  const found = described === undefined ? 'a key file' : textOf(described)
  if (demand !== undefined && keys === undefined) return { check, state: 'ok', expected: 'any', observed: found }
  if (keys === undefined) return { check, state: 'not tried', expected: '', observed: found }
  const holds =
    described !== undefined &&
    !described.multiRegion &&
    keys.regions.includes(described.region) &&
    partitionOf(described.region) === described.partition &&
    described.partition === demand?.partition &&
    keys.specs.some((spec) => spec === described.spec)
  const expected = `${keys.specs.join(' or ')} in ${keys.regions.join(' or ')} (${demand?.partition})`
  return { check, state: holds ? 'ok' : 'failed', expected, observed: found }
}

const textOf = ({ spec, region, partition, multiRegion }: KeyDescription): string =>
  `${spec} in ${region} (${partition})${multiRegion ? ', which may be copied to other regions' : ''}`
