import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JetStreamManager } from '@nats-io/jetstream'
import { Journal } from '@writ/durable'
import { digestOf } from '@writ/keys'
import { redisCommand } from '../support/redis.ts'
import type { Left, Usage } from './history.ts'
import type { Plant } from './plant.ts'
import { readLog } from './read-log.ts'
import { PROCESSES } from './schedule.ts'

/** Outcomes are kept until STATUS cannot lose them any more, who used a `jti` as long as it counts; the bucket's age ends both. */
const LASTING = /\.outcome\.|-jti$/
const BATCH = 500
const QUEUES = ['INTENTS', 'PLANS', 'OUTCOMES', 'AUDIT', 'AUDIT_EDGE']

/** What waits: messages and acknowledgements of every queue, messages that a source keeps and the log has not, Redis keys that never go. */
export async function readLeft(plant: Plant, jsm: JetStreamManager): Promise<readonly Left[]> {
  const left: Left[] = []
  for (const queue of QUEUES) {
    left.push({ what: `messages of ${queue}`, count: (await jsm.streams.info(queue)).state.messages })
    for await (const { name, num_pending, num_ack_pending } of jsm.consumers.list(queue))
      left.push({ what: `deliveries of ${name} of ${queue}`, count: num_pending + num_ack_pending })
  }
  const kept = (await Promise.all((await filesOf(plant.stack.paths.root, /\.outbox$/)).map(readOutbox))).flat()
  const logged = new Set(
    (await readLog(plant.stack.paths.store, plant.stack.plane.logName)).map(({ digest }) => digest),
  )
  left.push({ what: 'messages of sources on their way', count: kept.filter((digest) => !logged.has(digest)).length })
  const refused = await filesOf(join(plant.stack.paths.root, 'state'), /\/refused\/.+/)
  left.push({ what: 'messages refused for good', count: refused.length })
  left.push(...(await unsettled(jsm)))
  left.push({ what: 'keys of Redis without an end', count: await endlessKeys(plant.redisUrl) })
  return left
}

/** Intents whose state has not shrunk to its end, and documents that have not shrunk to a byte, in the bucket `intents`. */
async function unsettled(jsm: JetStreamManager): Promise<readonly Left[]> {
  let states = 0
  const documents = new Map<string, number>()
  for (let next = 1, read = BATCH; read === BATCH; ) {
    read = 0
    const batch = await jsm.direct.getBatch('KV_intents', { seq: next, next_by_subj: '$KV.intents.>', batch: BATCH })
    for await (const { seq, subject, data } of batch) {
      read += 1
      next = seq + 1
      const isState = subject.split('.').length === 4
      if (isState && (JSON.parse(Buffer.from(data).toString()) as { done?: true }).done !== true) states += 1
      if (isState || data.length <= 1 || LASTING.test(subject)) continue
      const [, , , , kind = ''] = subject.split('.')
      documents.set(kind, (documents.get(kind) ?? 0) + 1)
    }
  }
  return [
    { what: 'intents that are not settled', count: states },
    ...[...documents].map(([kind, count]) => ({ what: `${kind} documents of intents`, count })),
  ]
}

/** Digests of the messages in a copy of an outbox. */
async function readOutbox(file: string): Promise<readonly string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'writ-outbox-'))
  const copy = join(dir, 'outbox')
  const digests: string[] = []
  const replay = (record: Buffer): void => {
    const text = record.toString()
    if (!text.startsWith('{')) digests.push(digestOf(text))
  }
  try {
    await cp(file, copy)
    await (await Journal.open(copy, { replay }))[Symbol.asyncDispose]()
    return digests
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** All but the mark that says that Redis was filled. */
async function endlessKeys(url: string): Promise<number> {
  const script = `local n=0 for _,k in ipairs(redis.call('keys','*')) do if redis.call('ttl',k)==-1 and not k:find(':filled$') then n=n+1 end end return n`
  return Number((await redisCommand(url, `EVAL "${script}" 0`)).slice(1))
}

export type Sizes = ReadonlyMap<string, number>

export async function readSizes({ stack }: Plant): Promise<Sizes> {
  const sizes = new Map<string, number>()
  for (const name of PROCESSES) {
    const pid = stack.pidOf(name)
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    sizes.set(`${name} rss_bytes`, Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024)
    sizes.set(`${name} descriptors`, (await readdir(`/proc/${pid}/fd`)).length)
  }
  for (const dir of await readdir(join(stack.paths.root, 'state')))
    sizes.set(`${dir} files`, (await filesOf(join(stack.paths.root, 'state', dir), /./)).length)
  return sizes
}

export function usageOf(before: Sizes, after: Sizes): readonly Usage[] {
  return [...after].map(([key, size]) => {
    const [process = '', what] = key.split(' ') as [string, Usage['what']]
    return { process, what, before: before.get(key) ?? 0, after: size }
  })
}

async function filesOf(dir: string, matching: RegExp): Promise<readonly string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true })
  return found
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => matching.test(path))
}
