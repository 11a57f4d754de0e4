import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from './processes.js'
import { readProfile } from './profile.js'
import { runLoad } from './run-load.js'

/** Streams that are flushed before they acknowledge; the others may lose their last moments. */
const FLUSHED = [
  'CONTROL',
  'SIGNERS',
  'REGISTRY',
  'POLICIES',
  'AUDIT',
  'AUDIT_EDGE',
  'KV_intents',
  'KV_uses',
  'KV_subject-keys',
]
const QUEUES = ['INTENTS', 'OUTCOMES', 'PLANS', 'AUDIT', 'AUDIT_EDGE']

/**
 * A load during which every process counts what it signs, verifies, sends and flushes, and is profiled. Divided by the intents this is
 * what the floor is made of.
 *
 * @param {import('./stage.js').Stage} stage opened with a hook
 * @param {string} folder where the hook writes
 * @param {import('./run-load.js').Order} order
 */
export async function countPerIntent(stage, folder, order) {
  const pids = [...stage.pids].filter(([name]) => !name.endsWith('-server'))
  const redisBefore = await redisCalls(stage)
  for (const [, pid] of pids) process.kill(pid, 'SIGUSR2')
  await delay(50)
  const load = await runLoad(stage, order)
  for (const [, pid] of pids) process.kill(pid, 'SIGUSR2')
  const redisAfter = await redisCalls(stage)
  const written = async (/** @type {string} */ end) => (await readdir(folder)).filter((name) => name.endsWith(end))
  await until(async () => (await written('.cpuprofile')).length >= pids.length, 20_000)
  const files = await written('.counts.json')
  /** @type {Map<string, { n: number, bytes: number }>} */
  const sums = new Map()
  for (const file of files) {
    const counts = JSON.parse(await readFile(join(folder, file), 'utf8'))
    for (const [what, { n, bytes }] of Object.entries(counts)) {
      const so = sums.get(what) ?? { n: 0, bytes: 0 }
      sums.set(what, { n: so.n + n, bytes: so.bytes + bytes })
    }
  }
  const profiles = await Promise.all(
    pids.map(async ([name, pid]) => {
      const file = files.find((candidate) => candidate.includes(`-${pid}.`))?.replace('.counts.json', '.cpuprofile')
      return { name, ...(file !== undefined && (await readProfile(join(folder, file)))) }
    }),
  )
  return { load, counts: Object.fromEntries(sums), per: perIntent(sums, load, redisAfter - redisBefore), profiles }
}

/**
 * @param {Map<string, { n: number, bytes: number }>} sums
 * @param {Awaited<ReturnType<typeof runLoad>>} load
 * @param {number} redis
 */
function perIntent(sums, load, redis) {
  const { sent, stored } = load
  const sum = (/** @type {(what: string) => boolean} */ wanted) => {
    const found = [...sums].filter(([what]) => wanted(what)).map(([, counted]) => counted)
    const n = found.reduce((all, counted) => all + counted.n, 0)
    const bytes = found.reduce((all, counted) => all + counted.bytes, 0)
    return { n: n / sent, bytes: n === 0 ? 0 : bytes / n }
  }
  const storedIn = (/** @type {(stream: string) => boolean} */ wanted) =>
    Object.entries(stored).reduce((all, [stream, n]) => all + (wanted(stream) ? n : 0), 0) / sent
  const signs = sum((what) => what.startsWith('sign'))
  const syncs = sum((what) => what.endsWith('sync'))
  const flushed = sum((what) => what.startsWith('publish kv') || what === 'publish audit')
  const queued = sum((what) => ['publish intent', 'publish outcome', 'publish plan'].includes(what))
  const status = sum((what) => what === 'publish status')
  const stores = {
    FLUSHED: { n: storedIn((stream) => FLUSHED.includes(stream)), bytes: flushed.bytes },
    ASYNC: { n: storedIn((stream) => !FLUSHED.includes(stream) && !QUEUES.includes(stream)), bytes: status.bytes },
    QUEUE: { n: storedIn((stream) => QUEUES.includes(stream) && !FLUSHED.includes(stream)), bytes: queued.bytes },
  }
  return {
    signs: signs.n,
    signBytes: signs.bytes,
    verifies: sum((what) => what.startsWith('verify')).n,
    stored: stores,
    queued: stores.QUEUE.n,
    gets: sum((what) => what.startsWith('publish get')).n,
    asks: sum((what) => what.startsWith('publish rpc') || what === 'publish redeem'),
    syncs: syncs.n,
    syncBytes: 2000,
    redis: redis / sent,
    flushedWrites: stores.FLUSHED.n + syncs.n,
  }
}

/** Commands that Redis has taken. @param {import('./stage.js').Stage} stage @returns {Promise<number>} */
async function redisCalls({ root, stack }) {
  const { createRequire } = await import('node:module')
  const { createClient } = createRequire(join(root, 'services', 'token-issuer', 'package.json'))('@redis/client')
  const { redis_url: url } = JSON.parse(await readFile(stack.paths.localJson, 'utf8'))
  const client = createClient({ url })
  await client.connect()
  const info = await client.info('stats')
  client.destroy()
  return Number(/total_commands_processed:(\d+)/.exec(info)?.[1] ?? 0)
}
