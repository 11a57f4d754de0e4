import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from '../../lib/built.js'
import { usageOf } from '../../lib/processes.js'
import { EVENTS_A_ROUND, plantMessages } from './plant-messages.js'
import { writeLog } from './write-log.js'

const NAME = { domain: 'bench.example', region: 'bench-1' }
const SAMPLE_MS = 200

/**
 * Writes a whole log of typical messages, signed and with all their evidence, and verifies it in a process of its own.
 *
 * @param {{ root: string, events: number, log: (line: string) => void, dir?: string }} options `dir`: kept, else a temporary folder
 */
export async function measureVerify({ root, events, log, dir }) {
  const folder = dir ?? (await mkdtemp(join(tmpdir(), 'writ-bench-verify-')))
  try {
    const { pins, vkey, written } = await writeTypicalLog({ root, events, dir: folder, log })
    const verified = await verifyInChild({ root, dir: folder, pins, vkey })
    return { written, verified }
  } finally {
    if (dir === undefined) await rm(folder, { recursive: true, force: true })
  }
}

/** @param {{ root: string, events: number, dir: string, log: (line: string) => void }} options */
export async function writeTypicalLog({ root, events, dir, log }) {
  const { DirectoryStore } = await built(root, 'packages/worm-store')
  const { generateJwk, signerOf } = await built(root, 'packages/keys')
  const { formatVkey, noteSignerOf, originOf, epochOf } = await built(root, 'packages/audit')
  const now = new Date()
  const plant = await plantMessages({
    root,
    region: NAME.region,
    startSeconds: Math.floor(now.getTime() / 1000) - 80_000,
  })
  const logKey = signerOf(generateJwk('EdDSA'))
  const rounds = Math.ceil(events / EVENTS_A_ROUND)
  let [made, peakMib] = [-1, 0]
  const make = async () => {
    made += 1
    if (made === 0) return await plant.setup()
    if (made <= rounds) return await plant.round()
    return made === rounds + 1 ? await plant.farewell() : undefined
  }
  const onSeal = () => {
    peakMib = Math.max(peakMib, process.memoryUsage.rss() / 2 ** 20)
  }
  const opening = (/** @type {any} */ detail) => plant.opening(detail)
  const log_ = await writeLog({
    root,
    store: await DirectoryStore.open(dir),
    name: NAME,
    logKey,
    opening,
    make,
    onSeal,
  })
  log(`${log_.entries} entries written`)
  return {
    pins: plant.pins,
    vkey: formatVkey(noteSignerOf(logKey).verifier(originOf(NAME, epochOf(now)))),
    written: {
      events: rounds * EVENTS_A_ROUND,
      entries: log_.entries,
      bytes: log_.bytes,
      eventsPerSecond: ((rounds * EVENTS_A_ROUND) / log_.sealingMs) * 1000,
      sealMs: log_.sealMs,
      putsPerMillionEvents: (log_.written.puts / (rounds * EVENTS_A_ROUND)) * 1e6,
      bytesPerMillionEvents: (log_.written.bytes / (rounds * EVENTS_A_ROUND)) * 1e6,
      residentMib: peakMib,
    },
  }
}

/** @param {{ root: string, dir: string, pins: object, vkey: string, nodeArgs?: string[] }} options */
export async function verifyInChild({ root, dir, pins, vkey, nodeArgs = [] }) {
  const script = fileURLToPath(new URL('../verify-child.js', import.meta.url))
  const child = fork(script, [root, dir, vkey, JSON.stringify(pins)], { execArgv: nodeArgs })
  let residentMib = 0
  /** @type {number[]} */
  const samples = []
  const timer = setInterval(async () => {
    const usage = await usageOf(child.pid ?? 0).catch(() => undefined)
    if (usage !== undefined) samples.push(usage.residentKib / 1024)
    residentMib = Math.max(residentMib, samples.at(-1) ?? 0)
  }, SAMPLE_MS)
  try {
    const [told] = await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the verifier ended with ${code}`))),
    ])
    child.disconnect()
    await once(child, 'exit')
    const half = Math.floor(samples.length / 2)
    return {
      ...told,
      residentMib,
      halves: [Math.max(0, ...samples.slice(0, half)), Math.max(0, ...samples.slice(half))],
    }
  } finally {
    clearInterval(timer)
    child.kill()
  }
}
