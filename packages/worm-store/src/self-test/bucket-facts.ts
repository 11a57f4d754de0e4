import {
  GetBucketLocationCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { partition } from '@aws-sdk/core/client'
import type { ResidencyDemand, StoreCheck } from '@writ/contracts'
import type { S3Place } from '../s3/s3-place.ts'
import { ask, said } from './answer.ts'
import type { CheckResult } from './check-result.ts'
import type { ProbeBucket } from './probe-bucket.ts'

/** The name of the SDK's partition for a region. A region that it does not know counts as one of `aws`. */
export function partitionOf(region: string): string {
  return partition(region).name
}

/** Where the bucket is, by the server's word and by the way that requests take, and what the jurisdiction demands of that. */
export async function placeFacts(
  client: S3Client,
  { bucket }: S3Place,
  demand: ResidencyDemand | undefined,
): Promise<readonly CheckResult[]> {
  const { region, origin } = await askPlace(client, bucket)
  const own = await ownOrigins(client, bucket)
  const listed = (demand?.endpoints ?? []).map((url) => new URL(url).origin)
  const regions = demand?.bucket_regions
  const regionFound = region ?? 'not said by the server'
  const named = partitionOf(region ?? '')
  const facts = [
    fact('endpoint', own.has(origin) || listed.includes(origin), 'the SDK’s own, or one of the table', origin),
    fact('bucket_region', regions?.includes(regionFound) ?? false, regions?.join(' or ') ?? '', regionFound),
    fact(
      'partition',
      region !== undefined && named === demand?.partition,
      demand?.partition ?? '',
      region === undefined ? 'unknown' : named,
    ),
  ]
  // Without a demand there is nothing to compare with, and that is the one thing to say.
  return demand === undefined ? facts.map((each) => ({ ...each, state: 'not tried' as const })) : facts
}

/** What the lock rests on. */
export async function lockFacts(
  client: S3Client,
  bucket: string,
  probes: ProbeBucket,
): Promise<readonly CheckResult[]> {
  const versioning = await probes.versioning()
  const { output, ...answer } = await ask('GetObjectLockConfiguration', bucket, () =>
    client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket })),
  )
  const lock = output?.ObjectLockConfiguration
  const rule = lock?.Rule?.DefaultRetention?.Mode
  const found = lock?.ObjectLockEnabled ?? (output === undefined ? said(answer) : 'off')
  return [
    fact('versioning', versioning === 'Enabled', 'Enabled', versioning),
    fact(
      'object_lock',
      found === 'Enabled' && rule !== 'GOVERNANCE',
      'Enabled, with no default mode or COMPLIANCE',
      rule === undefined ? found : `${found}, ${rule} by default`,
    ),
  ]
}

function fact(check: StoreCheck, holds: boolean, expected: string, observed: string): CheckResult {
  return { check, state: holds ? 'ok' : 'failed', expected, observed }
}

/** The region by the server's word, and where the request for it went. */
async function askPlace(
  client: S3Client,
  bucket: string,
): Promise<{ readonly region?: string; readonly origin: string }> {
  let origin = ''
  let header: string | undefined
  const head = new HeadBucketCommand({ Bucket: bucket })
  head.middlewareStack.add(
    (next) => async (args) => {
      const { protocol, hostname, port } = args.request as { protocol: string; hostname: string; port?: number }
      origin = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`).origin
      const result = await next(args)
      header = headersOf(result.response)['x-amz-bucket-region']
      return result
    },
    { step: 'finalizeRequest', name: 'whereTo', priority: 'low' },
  )
  const { output, code } = await ask('HeadBucket', bucket, () => client.send(head))
  const region = output?.BucketRegion ?? header
  if (region !== undefined) return { region, origin }
  if (output === undefined) return { region: `unknown (${code})`, origin }
  const { output: location } = await ask('GetBucketLocation', bucket, () =>
    client.send(new GetBucketLocationCommand({ Bucket: bucket })),
  )
  if (location === undefined) return { origin }
  // The API's words for its two oldest regions.
  const { LocationConstraint: said } = location
  return {
    region: said === undefined || (said as string) === '' ? 'us-east-1' : said === 'EU' ? 'eu-west-1' : said,
    origin,
  }
}

function headersOf(response: unknown): Readonly<Record<string, string | undefined>> {
  return (Object(response) as { readonly headers?: Record<string, string> }).headers ?? {}
}

/** Every origin at which the SDK would look for the bucket by itself: with and without FIPS and dual stack, the bucket in the name or in the path. */
async function ownOrigins(client: S3Client, bucket: string): Promise<ReadonlySet<string>> {
  const Region = await client.config.region()
  const both = [false, true]
  const ways = both.flatMap((UseFIPS) =>
    both.flatMap((UseDualStack) => both.map((ForcePathStyle) => ({ UseFIPS, UseDualStack, ForcePathStyle }))),
  )
  return new Set(
    ways.flatMap((way) => {
      try {
        return [client.config.endpointProvider({ Bucket: bucket, Region, ...way }).url.origin]
      } catch {
        // A partition without FIPS or dual stack.
        return []
      }
    }),
  )
}
