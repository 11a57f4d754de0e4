import { S3Client } from '@aws-sdk/client-s3'
import { Fault } from '@writ/contracts'
import { limitTime } from './s3-time-limit.ts'

export interface S3ClientOptions {
  /** Absent: what the SDK finds (`AWS_REGION`, or the profile). */
  readonly region?: string
  /** Tries of one request, the first included. Together they also draw on the SDK's budget of retries for this client. Absent: 3. */
  readonly attemptsMax?: number
  /** Absent: 2,000. */
  readonly connectTimeoutMs?: number
  /** Of one try until its answer begins, and of the answer until its last byte; both grow with the bytes to carry (`s3-time-limit.ts`). Absent: 10,000. */
  readonly requestTimeoutMs?: number
  /** Connections at once. Absent: 64. */
  readonly socketsMax?: number
}

/**
 * Opens a client from the SDK's own environment: credentials, region, and a server that is not AWS by `AWS_ENDPOINT_URL_S3`. Endpoints and partitions are
 * resolved by the SDK and never built here; the bucket goes into the path only where such a server is configured, since it has no name for each bucket.
 * Throws Fault `malformed` where there is no region.
 */
export async function openS3Client(options: S3ClientOptions = {}): Promise<S3Client> {
  const { region, attemptsMax = 3, connectTimeoutMs = 2000, requestTimeoutMs = 10_000, socketsMax = 64 } = options
  const agent = { keepAlive: true, maxSockets: socketsMax }
  const client = new S3Client({
    ...(region !== undefined && { region }),
    maxAttempts: attemptsMax,
    retryMode: 'standard',
    // Another region's answer is a mistake to be told, not a place to follow to.
    followRegionRedirects: false,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
  // Asked at each request, after the SDK has looked for a configured endpoint.
  Object.assign(client.config, { forcePathStyle: async () => client.config.endpoint !== undefined })
  limitTime(client.config.requestHandler, requestTimeoutMs)
  try {
    await client.config.region()
  } catch (cause) {
    throw new Fault('malformed', { message: 'S3 needs a region: set AWS_REGION.', cause })
  }
  return client
}
