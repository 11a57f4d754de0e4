import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { resolveTool } from '@writ/tools'
import { startMoto } from './moto.ts'
import { type ServerProcess, startServer } from './server-process.ts'

/** versitygw is right about Object Lock, MinIO the second opinion, moto too weak. */
export type S3Kind = 'versitygw' | 'minio' | 'moto'

export interface S3Options {
  /** `eusc-de-east-1` unless told otherwise. */
  readonly region?: string
}

/**
 * A real S3 server on a free loopback port, with its data in a temporary folder that goes with it.
 *
 *     await using s3 = await startS3('versitygw')
 *     await s3.createBucket('evidence')
 *     const store = await S3Store.open({ bucket: 'evidence', prefix: 'log' }, { client: s3.client() })
 *     spawn('node', […], { env: { ...s3.env, WRIT_STORE: 's3://evidence/log' } })
 */
export interface TestS3 extends ServerProcess, AsyncDisposable {
  readonly kind: S3Kind
  readonly region: string
  /** What a process needs to find it: test credentials, region, endpoint, no look-up of instance metadata. */
  readonly env: Readonly<Record<string, string>>
  /** A client of this server, or of another address (a proxy before it). */
  client(endpoint?: string): S3Client
  /** Makes a bucket, with versions and Object Lock unless told otherwise, and without a default retention. */
  createBucket(name: string, options?: { readonly objectLock?: boolean }): Promise<void>
  stop(): Promise<void>
}

const ACCESS = 'writ-test'
const SECRET = 'writ-test-secret'

export async function startS3(kind: S3Kind, { region = 'eusc-de-east-1' }: S3Options = {}): Promise<TestS3> {
  const dir = await mkdtemp(join(tmpdir(), `writ-${kind}-`))
  try {
    return testS3(kind, region, dir, await STARTS[kind](dir, region))
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

function testS3(kind: S3Kind, region: string, dir: string, server: ServerProcess): TestS3 {
  const credentials = { accessKeyId: ACCESS, secretAccessKey: SECRET }
  const clients: S3Client[] = []
  const client = (endpoint: string = server.endpoint): S3Client => {
    const made = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 3 })
    clients.push(made)
    return made
  }
  const stop = async (): Promise<void> => {
    for (const each of clients) each.destroy()
    server.resume()
    await server.kill()
    await rm(dir, { recursive: true, force: true })
  }
  return {
    kind,
    region,
    endpoint: server.endpoint,
    env: {
      AWS_ACCESS_KEY_ID: ACCESS,
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_REGION: region,
      AWS_ENDPOINT_URL_S3: server.endpoint,
      AWS_EC2_METADATA_DISABLED: 'true',
      // No residency table lists a test's server: a sink in development takes it with this word, and says so in the log.
      WRIT_STORE_UNPROVEN: 'tests',
    },
    client,
    createBucket: async (Bucket, { objectLock = true } = {}) => {
      // us-east-1 is where a bucket is that names no region.
      const LocationConstraint = region as 'eu-central-1'
      await client().send(
        new CreateBucketCommand({
          Bucket,
          ObjectLockEnabledForBucket: objectLock,
          ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint } }),
        }),
      )
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    start: () => server.start(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const STARTS: Readonly<Record<S3Kind, (dir: string, region: string) => Promise<ServerProcess>>> = {
  versitygw: async (dir, region) => {
    const [data, versions] = [join(dir, 'data'), join(dir, 'versions')]
    await mkdir(data)
    await mkdir(versions)
    return await startServer({
      command: await pathOf('versitygw'),
      args: ([port]) => [
        '--region',
        region,
        '--port',
        `127.0.0.1:${port}`,
        'posix',
        '--versioning-dir',
        versions,
        data,
      ],
      env: { ...base(), ROOT_ACCESS_KEY: ACCESS, ROOT_SECRET_KEY: SECRET },
      ports: 1,
    })
  },
  minio: async (dir, region) =>
    await startServer({
      command: await pathOf('minio'),
      args: ([port, console]) => [
        'server',
        '--quiet',
        '--address',
        `127.0.0.1:${port}`,
        '--console-address',
        `127.0.0.1:${console}`,
        join(dir, 'data'),
      ],
      env: {
        ...base(),
        HOME: dir,
        MINIO_ROOT_USER: ACCESS,
        MINIO_ROOT_PASSWORD: SECRET,
        MINIO_SITE_REGION: region,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
        MINIO_CALLHOME_ENABLE: 'off',
      },
      ports: 2,
    }),
  moto: async () => await startMoto(),
}

async function pathOf(name: 'versitygw' | 'minio'): Promise<string> {
  return (await resolveTool(name, { env: process.env, log: (line) => process.stderr.write(`${line}\n`) })).path
}

function base(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }) }
}
