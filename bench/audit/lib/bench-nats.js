import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { built } from '../../lib/built.js'
import { freePort } from '../../lib/free-port.js'

/**
 * A control plane's bus of its own on a free loopback port: the accounts, streams and settings of every plane, in a temporary folder.
 *
 * @param {{ root: string, region: string, domain: string, streamBytesMax: number }} options
 */
export async function startBenchNats({ root, region, domain, streamBytesMax }) {
  const planes = await built(root, 'packages/plane')
  const { resolveTool } = await built(root, 'packages/tools')
  const { path } = await resolveTool('nats-server', { env: process.env, log: () => undefined })
  const dir = await mkdtemp(join(tmpdir(), 'writ-bench-audit-'))
  const [port, monitorPort] = [await freePort(), await freePort()]
  const natsUrl = `nats://127.0.0.1:${port}`
  const bytesMax = { AUDIT: streamBytesMax, AUDIT_EDGE: streamBytesMax }
  const plane = await planes.createPlane({ dir: join(dir, 'plane'), region, natsUrl, logName: `${domain}/${region}` })
  const config = await planes.serverConfig(plane, { dataDir: join(dir, 'nats'), port, monitorPort, bytesMax })
  /** @type {import('node:child_process').ChildProcess | undefined} */
  let child
  const kill = async () => {
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
  /** `filling`: without a flush for each message, to fill streams quickly; what is measured runs as planes run. */
  const start = async ({ filling = false } = {}) => {
    await kill()
    const file = join(dir, 'server.conf')
    await writeFile(file, filling ? config.replace('sync_interval: always', 'sync_interval: "2m"') : config)
    const log = await open(join(dir, 'nats.log'), 'a')
    child = spawn(path, ['-c', file], { stdio: ['ignore', log.fd, log.fd] })
    await log.close()
    const store = await planes.connectStore(plane, { waitMs: 60_000 })
    await planes.ensureStreams(store, { region, bytesMax })
    return store
  }
  const stop = async () => {
    await kill()
    await rm(dir, { recursive: true, force: true })
  }
  return { plane, dir, natsUrl, monitor: `http://127.0.0.1:${monitorPort}`, start, stop, pid: () => child?.pid ?? 0 }
}
