import { performance } from 'node:perf_hooks'
import { built } from '../../lib/built.js'
import { percentiles } from '../../lib/numbers.js'
import { countingStore } from './counting-store.js'
import { MessageStream } from './message-stream.js'

const RETENTION = { fullMs: 190 * 86_400_000, shortMs: 30 * 86_400_000 }
/** Bytes that wait for the sealer: more than a seal takes. */
const WAITING_BYTES_MAX = 24 * 2 ** 20

/**
 * Writes a log through the sealer that audit-sink writes it with, without a bus: messages wait in memory and are made as they are needed.
 * What making them takes does not count.
 *
 * @param {{
 *   root: string, store: any, name: { domain: string, region: string }, logKey: any,
 *   opening: (opening: any) => Promise<string>,
 *   make: () => Promise<readonly import('./plant-messages.js').Message[] | undefined>,
 *   onSeal?: (entries: number) => void,
 *   now?: () => Date,
 * }} options
 */
export async function writeLog({ root, store, name, logKey, opening, make, onSeal, now }) {
  const { Sealer, noteSignerOf } = await built(root, 'packages/audit')
  const counted = countingStore(store)
  const streams = [new MessageStream('AUDIT'), new MessageStream('AUDIT_EDGE')]
  const options = { store: counted.store, name, signer: noteSignerOf(logKey), streams, retention: RETENTION, opening }
  const sealer = await Sealer.open({ ...options, now: now ?? (() => new Date()) })
  let [entries, bytes, sealingMs, ended] = [0, 0, 0, false]
  /** @type {number[]} */
  const sealMs = []
  let waiting = 0
  for (;;) {
    while (!ended && waiting < WAITING_BYTES_MAX) {
      const messages = await make()
      ended = messages === undefined
      for (const message of messages ?? []) {
        streams.find(({ name }) => name === message.stream)?.store(message)
        bytes += message.body.length
        waiting += message.body.length
      }
    }
    const started = performance.now()
    const outcome = await sealer.seal()
    const took = performance.now() - started
    for (const stream of streams) stream.acknowledge(outcome.positions[stream.name]?.seq ?? 0)
    waiting = streams.reduce((sum, stream) => sum + stream.bytes, 0)
    if (outcome.entries === 0 && ended) break
    entries += outcome.entries
    sealingMs += took
    sealMs.push(took)
    onSeal?.(entries)
  }
  return { origin: sealer.origin, entries, bytes, sealingMs, sealMs: percentiles(sealMs), written: counted.counts }
}
