import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { built } from '../../lib/built.js'
import { freePort } from '../../lib/free-port.js'
import { until } from '../../lib/processes.js'

const REGION = 'eusc-de-east-1'
const [ACCESS, SECRET] = ['writ-bench', 'writ-bench-secret']

/**
 * versitygw with an empty bucket that has Object Lock, on this machine: what is measured is our calls and that server, not a network. Undefined where
 * there is none.
 *
 * @param {{ root: string, log: (line: string) => void }} options
 */
export async function startBenchS3({ root, log }) {
  const { findTool, resolveTool } = await built(root, 'packages/tools')
  const resolve = findTool ?? resolveTool
  const tool = await resolve('versitygw', { env: process.env, log: () => undefined }).catch(() => undefined)
  if (tool === undefined) {
    log('versitygw is not at hand: S3 is not measured')
    return undefined
  }
  const dir = await mkdtemp(join(tmpdir(), 'writ-bench-s3-'))
  const [data, versions] = [join(dir, 'data'), join(dir, 'versions')]
  await mkdir(data)
  await mkdir(versions)
  const port = await freePort()
  const args = ['--region', REGION, '--port', `127.0.0.1:${port}`, 'posix', '--versioning-dir', versions, data]
  const env = { PATH: process.env['PATH'], ROOT_ACCESS_KEY: ACCESS, ROOT_SECRET_KEY: SECRET }
  const child = spawn(tool.path, args, { env, stdio: 'ignore' })
  const stop = async () => {
    if (child.exitCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    await rm(dir, { recursive: true, force: true })
  }
  const variables = {
    AWS_ACCESS_KEY_ID: ACCESS,
    AWS_SECRET_ACCESS_KEY: SECRET,
    AWS_REGION: REGION,
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_EC2_METADATA_DISABLED: 'true',
    WRIT_STORE_UNPROVEN: 'benchmark',
  }
  Object.assign(process.env, variables)
  const client = new S3Client({ forcePathStyle: true })
  const create = () =>
    client.send(
      new CreateBucketCommand({
        Bucket: 'bench',
        ObjectLockEnabledForBucket: true,
        CreateBucketConfiguration: { LocationConstraint: /** @type {any} */ (REGION) },
      }),
    )
  const made = await until(
    () =>
      create().then(
        () => true,
        () => false,
      ),
    20_000,
  )
  client.destroy()
  if (!made) {
    await stop()
    throw new Error('versitygw makes no bucket')
  }
  return { url: (/** @type {string} */ prefix) => `s3://bench/${prefix}`, env: variables, stop }
}
