import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { percentiles } from '../../lib/numbers.js'
import { usageOf } from '../../lib/processes.js'
import { EVENTS_A_ROUND, MESSAGES_A_ROUND } from './plant-messages.js'

/** @typedef {import('./sink-stage.js').SinkStage} SinkStage */

const SAMPLE_MS = 250
/** Without a further entry for so long, something is wrong. */
const STILL_MS = 180_000
/** About 1.2 KB as a message. */
const SMALL = { detail: { note: 'x'.repeat(360) } }

/**
 * Fills the streams, then starts the sink and watches it seal them: messages a second from the first entry sealed to the last, until the streams are
 * empty, and its memory meanwhile.
 *
 * @param {SinkStage} stage
 * @param {{ messages: number, kind: 'typical' | 'small' }} options
 */
export async function drain(stage, { messages, kind }) {
  const filled = await fill(stage, messages, kind)
  stage.log(`${filled.messages} messages wait`)
  await stage.restartNats()
  const natsBefore = (await usageOf(stage.nats.pid())).cpuMs
  const sink = await stage.startSink()
  const started = performance.now()
  const samples = await watch(stage, sink, filled.messages)
  const emptyMs = performance.now() - started
  const cpuMs = { sink: (await usageOf(sink.pid)).cpuMs, nats: (await usageOf(stage.nats.pid())).cpuMs - natsBefore }
  await sink.stop()
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined) throw new Error('nothing was sealed')
  const messagesPerSecond = ((last.entries - first.entries) / (last.ms - first.ms)) * 1000
  return {
    messages: filled.messages,
    messageBytes: filled.bytes / filled.messages,
    messagesPerSecond,
    eventsPerSecond: messagesPerSecond * (kind === 'typical' ? EVENTS_A_ROUND / MESSAGES_A_ROUND : 1),
    drainedPerSecond: (filled.messages / emptyMs) * 1000,
    cpuUsAMessage: { sink: (cpuMs.sink / filled.messages) * 1000, nats: (cpuMs.nats / filled.messages) * 1000 },
    residentMib: memoryOf(samples),
  }
}

/** @param {SinkStage} stage @param {number} messages @param {'typical' | 'small'} kind */
async function fill(stage, messages, kind) {
  const { plant } = stage
  await stage.restartNats({ filling: true })
  const filled = { messages: 0, bytes: 0 }
  const publish = async (/** @type {readonly import('./plant-source.js').Message[]} */ some) => {
    await stage.publish(some)
    filled.messages += some.length
    filled.bytes += some.reduce((sum, { body }) => sum + body.length, 0)
  }
  if (kind === 'typical') await publish(await plant.setup())
  while (filled.messages < messages)
    await publish(kind === 'typical' ? await plant.round() : [await plant.heartbeat('token-issuer', SMALL)])
  await stage.published()
  return filled
}

/** Until the streams are empty. @param {SinkStage} stage @param {Awaited<ReturnType<SinkStage['startSink']>>} sink @param {number} wanted */
async function watch(stage, sink, wanted) {
  /** @type {{ entries: number, ms: number, residentMib: number }[]} */
  const samples = []
  let movedMs = performance.now()
  for (;;) {
    await delay(SAMPLE_MS)
    const entries = await sink.entries()
    const ms = performance.now()
    if (entries > (samples.at(-1)?.entries ?? 0)) {
      movedMs = ms
      samples.push({ entries, ms, residentMib: (await usageOf(sink.pid)).residentKib / 1024 })
    }
    // The sink's own messages come and go beside the others.
    if (entries >= wanted && (await stage.waiting()) < 5) return samples
    if (ms - movedMs > STILL_MS) throw new Error(`the sink seals no more: ${entries} of ${wanted}`)
  }
}

/**
 * Flat: at most a tenth, or 32 MiB, more in the second half than in the first, whose beginning does not count.
 *
 * @param {readonly { residentMib: number }[]} samples
 */
function memoryOf(samples) {
  const most = (/** @type {number} */ from, /** @type {number} */ to) => {
    const part = samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to))
    return Math.max(0, ...part.map(({ residentMib }) => residentMib))
  }
  const [early, late] = [most(0.1, 0.5), most(0.5, 1)]
  return { early, late, flat: late <= Math.max(early * 1.1, early + 32) }
}

/**
 * Messages at an even pace: from before one is published to hearing the signed checkpoint that covers it.
 *
 * @param {SinkStage} stage
 * @param {{ perSecond: number, seconds: number }} options
 */
export async function eventToCheckpoint(stage, { perSecond, seconds }) {
  const { parseJws } = stage.modules.keys
  const { plant } = stage
  const listener = await stage.busOf('token-issuer', 'bench')
  /** @type {Map<number, number>} */
  const sent = new Map()
  /** @type {number[]} */
  const took = []
  const source = `token-issuer/bench/${plant.boot}`
  await listener.subscribe(stage.at.sealed, (/** @type {{ data: Uint8Array }} */ { data }) => {
    const head = parseJws(data, 1024 * 1024).payload['heads']?.[source] ?? -1
    const now = performance.now()
    for (const [seq, since] of sent) {
      if (seq > head) break
      took.push(now - since)
      sent.delete(seq)
    }
  })
  const sink = await stage.startSink()
  while ((await sink.entries()) === 0) await delay(100)
  const started = performance.now()
  for (let n = 0; n < perSecond * seconds; n++) {
    await delay(Math.max(0, started + (n / perSecond) * 1000 - performance.now()))
    const message = await plant.heartbeat('token-issuer', SMALL)
    sent.set(parseJws(message.body, 64_000).payload['seq'], performance.now())
    await stage.publish([message])
  }
  await stage.published()
  for (const end = performance.now() + 30_000; sent.size > 0 && performance.now() < end; ) await delay(50)
  await sink.stop()
  return { perSecond, ms: percentiles(took), unheard: sent.size }
}
