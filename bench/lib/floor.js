import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from './built.js'
import { freePort } from './free-port.js'
import { total } from './numbers.js'
import { cpuBetween, until, usages } from './processes.js'

/** @typedef {Awaited<ReturnType<typeof import('./count.js').countPerIntent>>['per']} PerIntent */

const STREAMS = {
  // As the contract's queues and last values: acknowledged before the flush.
  ASYNC: { persist_mode: 'async', max_msgs_per_subject: 1, republish: { src: 'floor.ASYNC.>', dest: 'floor.heard.>' } },
  QUEUE: { persist_mode: 'async', retention: 'workqueue' },
  // As the buckets and AUDIT: `sync_interval: always`.
  FLUSHED: {
    max_msgs_per_subject: 1,
    republish: { src: 'floor.FLUSHED.>', dest: 'floor.heard.>', headers_only: true },
  },
}

/**
 * What the counted calls cost by themselves: the same number of signatures, verifications, messages, flushed writes and Redis calls for
 * each intent, on a NATS and a Redis of their own with the same settings, and nothing between.
 *
 * @param {{ root: string, per: PerIntent, intents: number, inFlight: number, log: (line: string) => void }} options
 */
export async function measureFloor({ root, per, intents, inFlight, log }) {
  const folder = await mkdtemp(join(tmpdir(), 'writ-floor-'))
  /** @type {(() => Promise<unknown>)[]} */
  const closers = [() => rm(folder, { recursive: true, force: true })]
  try {
    const servers = await startServers(root, folder, log, closers)
    const roles = ['worker', 'answerer']
    const args = [root, servers.url, servers.redisUrl, folder]
    const children = roles.map((role) =>
      fork(fileURLToPath(new URL('floor-worker.js', import.meta.url)), [...args, role]),
    )
    closers.push(async () => {
      for (const child of children) child.disconnect()
      await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)))
    })
    await Promise.all(children.map((child) => once(child, 'message')))
    const [worker] = children
    if (worker === undefined) throw new Error('there is a worker')
    const pids = new Map([
      ...servers.pids,
      ...roles.map((role, n) => /** @type {const} */ ([role, children[n]?.pid ?? 0])),
    ])
    const run = async (/** @type {number} */ count) => {
      worker.send({ per, intents: count, inFlight })
      const [{ seconds }] = await once(worker, 'message')
      return seconds
    }
    await run(Math.ceil(intents / 3))
    const before = await usages(pids)
    const seconds = await run(intents)
    const cpuMs = cpuBetween(before, await usages(pids))
    return { intents, perSecond: intents / seconds, cpuMsPerIntent: total(cpuMs) / intents, cpuMs }
  } finally {
    for (const closer of closers.toReversed()) await closer()
  }
}

/**
 * @param {string} root
 * @param {string} folder
 * @param {(line: string) => void} log
 * @param {(() => Promise<unknown>)[]} closers
 */
async function startServers(root, folder, log, closers) {
  const { resolveTool } = await built(root, 'packages/tools')
  const tools = { env: process.env, log }
  const [nats, redis, natsPort, redisPort] = await Promise.all([
    resolveTool('nats-server', tools),
    resolveTool('redis-server', tools),
    freePort(),
    freePort(),
  ])
  const config = join(folder, 'nats.conf')
  const store = JSON.stringify(join(folder, 'jetstream'))
  await writeFile(
    config,
    `listen: "127.0.0.1:${natsPort}"\njetstream: { store_dir: ${store}, sync_interval: always }\n`,
  )
  const pids = new Map([
    ['nats-server', start(nats.path, ['-c', config], closers)],
    [
      'redis-server',
      start(redis.path, ['--port', `${redisPort}`, '--dir', folder, '--appendonly', 'no', '--save', ''], closers),
    ],
  ])
  const url = `nats://127.0.0.1:${natsPort}`
  const require = createRequire(join(root, 'packages', 'bus', 'package.json'))
  const { connect } = require('@nats-io/transport-node')
  const nc = await connect({ servers: url, waitOnFirstConnect: true, reconnectTimeWait: 50 })
  const api = async (/** @type {string} */ subject, /** @type {object} */ body) => {
    const answer = JSON.parse((await nc.request(`$JS.API.${subject}`, JSON.stringify(body))).string())
    if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`)
  }
  await until(async () => (await api('INFO', {}).catch(() => false)) !== false, 5000)
  for (const [name, settings] of Object.entries(STREAMS))
    await api(`STREAM.CREATE.FLOOR_${name}`, {
      name: `FLOOR_${name}`,
      subjects: [`floor.${name}.>`],
      storage: 'file',
      allow_direct: true,
      ...settings,
    })
  const consumer = { durable_name: 'taker', ack_policy: 'explicit', max_ack_pending: 10_000 }
  await api('CONSUMER.CREATE.FLOOR_QUEUE.taker', { stream_name: 'FLOOR_QUEUE', config: consumer })
  await nc.request('floor.FLUSHED.0', 'x')
  await nc.close()
  return { url, redisUrl: `redis://127.0.0.1:${redisPort}`, pids }
}

/** @param {string} command @param {readonly string[]} args @param {(() => Promise<unknown>)[]} closers */
function start(command, args, closers) {
  const child = spawn(command, args, { stdio: 'ignore' })
  closers.push(async () => {
    if (child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  })
  return child.pid ?? 0
}

/** @param {string} file */
export async function machineOf(file = '/proc/cpuinfo') {
  const text = await readFile(file, 'utf8').catch(() => '')
  return /model name\s*: (.*)/.exec(text)?.[1] ?? process.arch
}
