import { leafHash, sameHash } from '../core/merkle.ts'
import { GrowingTree } from '../verify/growing-tree.ts'
import type { Pins } from '../verify/key-ring.ts'
import { type EpochGap, gapsBetween } from './epoch-gaps.ts'
import type { EvidenceLog } from './evidence-log.ts'
import { type Glimpse, glance } from './glance.ts'
import { KeysInLog, type Place } from './keys-in-log.ts'
import { type ReadContext, type ReadEntry, readEntry } from './read-entry.ts'
import type { SignedLog } from './signed-log.ts'

/** Whether an entry is asked for, by what lies there; nothing of it is verified yet. */
export type Wanted = (entry: Uint8Array, seen: Glimpse | undefined) => boolean

/** All that some logs hold under the checkpoints they were opened with. */
export interface Everything {
  /** Entries of all logs. */
  readonly size: number
  /** Entries that could not be read. */
  readonly missing: number
  /** Where a log does not go on from the one before it. */
  readonly gaps: readonly EpochGap[]
  /** Every entry of every log was read, together they have the signed roots, and the logs go on from one another, the first from none. */
  readonly whole: boolean
  /** In the order of the logs, one at a time, each verified by itself; those that cannot be read come too. `onProgress`: how many were looked at, of all. */
  entries(wanted?: Wanted, onProgress?: (entries: number, of: number) => void): AsyncGenerator<ReadEntry>
}

/**
 * Reads logs through once, learning which keys are valid, so that each entry can then be judged by the whole history. What is kept grows with
 * records and endorsements, not with entries. Throws Fault `unavailable` where files cannot be read.
 */
export async function readEverything(
  { logs, region }: EvidenceLog,
  { pins, subjectKeys }: { readonly pins: Pins; readonly subjectKeys?: ReadonlyMap<string, Uint8Array> },
  onProgress?: (entries: number, of: number) => void,
): Promise<Everything> {
  const keyOf = (kid: string): Uint8Array | undefined => subjectKeys?.get(kid)
  const end = { log: logs.length - 1, index: logs.at(-1)?.size ?? 0 }
  const keys = new KeysInLog({ logs, region, pins, keyOf }, { log: 0, index: 0 }, end)
  const size = logs.reduce((sum, log) => sum + log.size, 0)
  let [count, whole] = [0, true]
  for (const [log, signed] of logs.entries()) {
    const tree = new GrowingTree()
    for await (const { index, entry } of signed.entries(0)) {
      await keys.learn({ log, index }, entry)
      tree.push(leafHash(entry), () => undefined)
      if (++count % 1024 === 0) onProgress?.(count, size)
    }
    whole &&= tree.size === signed.size && sameHash(tree.root(), signed.root)
  }
  await keys.settle()
  const context: ReadContext = { region, keys, keyOf }
  const read = ({ log, index }: Place): Promise<ReadEntry> => readEntry(context, logs[log] as SignedLog, index)
  const gaps = await gapsBetween(logs, read)
  return {
    size,
    missing: size - count,
    gaps,
    whole: whole && gaps.length === 0,
    entries: (wanted, told) => eachEntry(logs, read, wanted, told),
  }
}

async function* eachEntry(
  logs: readonly SignedLog[],
  read: (place: Place) => Promise<ReadEntry>,
  wanted: Wanted = () => true,
  onProgress?: (entries: number, of: number) => void,
): AsyncGenerator<ReadEntry> {
  const size = logs.reduce((sum, log) => sum + log.size, 0)
  let count = 0
  for (const [log, signed] of logs.entries())
    for (let index = 0; index < signed.size; index++) {
      const entry = await signed.entryAt(index)
      if (entry === undefined || wanted(entry, glance(entry))) yield await read({ log, index })
      if (++count % 256 === 0) onProgress?.(count, size)
    }
}
