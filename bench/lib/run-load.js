import { once } from 'node:events'
import { clockMs, percentiles, total } from './numbers.js'
import { cpuBetween, machineBusyMs, usages } from './processes.js'

/** @typedef {import('./stage.js').Stage} Stage */
/** @typedef {{ rate?: number, inFlight?: number, seconds: number, count?: number }} Order */

/**
 * One load, and what it did to every process. Latency counts from before the agent signs to the action's first line at the gateway.
 *
 * @param {Stage} stage
 * @param {Order} order
 */
export async function runLoad(stage, order) {
  await begunSince(stage)
  const [cpuBefore, streamsBefore, busyBefore] = await Promise.all([
    usages(stage.pids),
    streamsOf(stage),
    machineBusyMs(),
  ])
  stage.load.send(order)
  const [result] = await once(stage.load, 'message')
  const [cpuAfter, streamsAfter, busyAfter] = await Promise.all([usages(stage.pids), streamsOf(stage), machineBusyMs()])
  const begun = await begunSince(stage)
  const { intents, refused, beganMs, endedMs, wallMinusClock } = result
  const ended = intents.filter((/** @type {any} */ { state }) => state === 'succeeded')
  const cpu = cpuBetween(cpuBefore, cpuAfter)
  const stored = Object.fromEntries(
    Object.entries(streamsAfter.stored).map(([name, seq]) => [name, seq - (streamsBefore.stored[name] ?? 0)]),
  )
  return {
    order,
    seconds: (endedMs - beganMs) / 1000,
    sent: intents.length,
    succeeded: ended.length,
    refused,
    otherEnds: ends(intents),
    perSecond: throughput(ended, beganMs),
    toAction: percentiles(between(intents, 'sentMs', begun)),
    toEnd: percentiles(ended.map((/** @type {any} */ { sentMs, endMs }) => endMs - sentMs)),
    cpuMs: cpu,
    cpuMsPerIntent: total(cpu) / Math.max(1, intents.length),
    othersCpuMs: busyAfter - busyBefore - total(cpu),
    stored,
    serverMessages: streamsAfter.messages - streamsBefore.messages,
    serverBytes: streamsAfter.bytes - streamsBefore.bytes,
    intents,
    begun,
    wallMinusClock,
  }
}

/**
 * How many ended a second, without the first tenth of the time (warming up) and what ended after the load did.
 *
 * @param {readonly any[]} ended
 * @param {number} beganMs
 */
function throughput(ended, beganMs) {
  const lastSent = Math.max(...ended.map(({ sentMs }) => sentMs))
  const from = beganMs + (lastSent - beganMs) / 10
  const counted = ended.filter(({ endMs }) => endMs >= from && endMs <= lastSent)
  return (counted.length * 1000) / (lastSent - from)
}

/** @param {readonly any[]} intents */
function ends(intents) {
  /** @type {Record<string, number>} */
  const found = {}
  for (const { state = 'no end' } of intents) if (state !== 'succeeded') found[state] = (found[state] ?? 0) + 1
  return found
}

/**
 * @param {readonly any[]} intents
 * @param {'sentMs'} from
 * @param {ReadonlyMap<string, number>} to
 */
function between(intents, from, to) {
  return intents.flatMap((intent) => {
    const at = to.get(intent.digest)
    return at === undefined ? [] : [at - intent[from]]
  })
}

/** @param {Stage} stage @returns {Promise<Map<string, number>>} */
async function begunSince({ gateways }) {
  const answers = await Promise.all(
    gateways.map(async (gateway) => {
      gateway.send('begun')
      const [{ begun }] = await once(gateway, 'message')
      return begun
    }),
  )
  return new Map(answers.flat())
}

/** What every stream has ever stored, and messages and bytes that came to the server. @param {Stage} stage */
export async function streamsOf({ monitor }) {
  const [jsz, varz] = await Promise.all(
    ['/jsz?accounts=true&streams=true', '/varz'].map(async (path) => {
      const response = await fetch(monitor + path)
      return /** @type {any} */ (await response.json())
    }),
  )
  /** @type {Record<string, number>} */
  const stored = {}
  for (const { stream_detail = [] } of jsz.account_details ?? [])
    for (const { name, state } of stream_detail) stored[name] = state.last_seq
  return { stored, messages: varz.in_msgs, bytes: varz.in_bytes, atMs: clockMs() }
}
