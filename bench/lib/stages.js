import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { percentiles } from './numbers.js'

/** The services' own events, in the order in which an intent meets them, and what each is called here. */
const EVENTS = /** @type {const} */ ([
  ['intent.accepted', 'accepted'],
  ['policy.decided', 'decided'],
  ['token.issued', 'token issued'],
  ['plan.dispatched', 'plan recorded'],
  ['token.redeemed', 'redeemed'],
])

/**
 * How long each stage took, from the times of the signed audit events in the log, which cost the run nothing; whole milliseconds. The
 * first stage begins before the agent signs, the last ends with the action's first line.
 *
 * @param {import('./stage.js').Stage} stage
 * @param {{ intents: readonly any[], begun: ReadonlyMap<string, number>, wallMinusClock: number }} load
 */
export async function stagesOf(stage, { intents, begun, wallMinusClock }) {
  const times = await eventTimes(stage.stack.paths.store)
  const names = ['sent', ...EVENTS.map(([, name]) => name), 'action begun']
  /** @type {Map<string, { step: number[], sinceSent: number[] }>} */
  const found = new Map(names.slice(1).map((name) => [name, { step: [], sinceSent: [] }]))
  for (const { digest, sentMs } of intents) {
    const sent = sentMs + wallMinusClock
    const began = begun.get(digest)
    const at = [...EVENTS.map(([type]) => times.get(`${type} ${digest}`)), began && began + wallMinusClock]
    if (at.some((time) => time === undefined)) continue
    for (const [index, time] of at.entries()) {
      const stageOf = found.get(names[index + 1] ?? '')
      stageOf?.step.push(Math.max(0, Number(time) - (index === 0 ? sent : Number(at[index - 1]))))
      stageOf?.sinceSent.push(Number(time) - sent)
    }
  }
  return Object.fromEntries(
    [...found].map(([name, { step, sinceSent }]) => [
      name,
      { step: percentiles(step), sinceSent: percentiles(sinceSent) },
    ]),
  )
}

/** The first time of each event about an intent, Unix milliseconds, under `<type> <digest>`. @param {string} store */
async function eventTimes(store) {
  /** @type {Map<string, number>} */
  const times = new Map()
  /** @type {Map<string, string>} */
  const digestOfPlan = new Map()
  /** @type {[string, number][]} */
  const redeemed = []
  for (const entry of await entriesOf(store)) {
    for (const { type, timestamp, intent_digest, plan_id } of entry.events) {
      const at = Date.parse(timestamp)
      if (type === 'token.redeemed') redeemed.push([plan_id, at])
      if (intent_digest === undefined) continue
      if (plan_id !== undefined) digestOfPlan.set(plan_id, intent_digest)
      const name = `${type} ${intent_digest}`
      times.set(name, Math.min(at, times.get(name) ?? at))
    }
  }
  for (const [planId, at] of redeemed) times.set(`token.redeemed ${digestOfPlan.get(planId)}`, at)
  return times
}

/** Claims of the audit messages in the log's entry bundles (C2SP tlog-tiles); of partial bundles the longest. @param {string} store */
async function entriesOf(store) {
  const files = (await readdir(store, { recursive: true })).filter((path) => path.includes('tile/entries/'))
  /** @type {Map<string, { path: string, width: number }>} */
  const longest = new Map()
  for (const path of files) {
    const [, bundle = '', partial] = /tile\/entries\/([x\d/]*?\d{3})(?:\.p\/(\d+))?(?:$|[^\d/])/.exec(`${path} `) ?? []
    const width = partial === undefined ? 256 : Number(partial)
    if (bundle !== '' && width > (longest.get(bundle)?.width ?? 0)) longest.set(bundle, { path, width })
  }
  /** @type {any[]} */
  const found = []
  for (const { path } of longest.values()) {
    const bytes = await readFile(join(store, path)).catch(() => Buffer.alloc(0))
    for (let offset = 0; offset + 2 <= bytes.length; ) {
      const end = offset + 2 + bytes.readUInt16BE(offset)
      const [, payload = ''] = bytes.toString('latin1', offset + 2, end).split('.')
      found.push(JSON.parse(Buffer.from(payload, 'base64url').toString()))
      offset = end
    }
  }
  return found
}
