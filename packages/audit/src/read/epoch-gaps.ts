import type { Place } from './keys-in-log.ts'
import type { ReadEntry } from './read-entry.ts'
import type { SignedLog } from './signed-log.ts'

/** A log that does not go on from the one that was read before it. */
export interface EpochGap {
  /** Its origin. */
  readonly log: string
  /** Origin of the log that it goes on from, by its first entry. */
  readonly before?: string
  /**
   * `missing`: that one was not here. `ends otherwise`: it is, and ends elsewhere than where this log began; it may have been cut short.
   * `not said`: no first entry can be believed that says what it goes on from.
   */
  readonly why: 'missing' | 'ends otherwise' | 'not said'
}

/** Each log's first entry names the one before it with size and root; the first log of all names none. */
export async function gapsBetween(
  logs: readonly SignedLog[],
  read: (place: Place) => Promise<ReadEntry>,
): Promise<readonly EpochGap[]> {
  const gaps: EpochGap[] = []
  for (const [at, log] of logs.entries()) {
    if (log.size === 0) continue
    const gap = gapBefore(log, logs[at - 1], await read({ log: at, index: 0 }))
    if (gap !== undefined) gaps.push(gap)
  }
  return gaps
}

/** Whose key was endorsed in the log that is missing is not known here: of a first entry that names one before it, it is enough that it is in the log. */
function gapBefore(
  { origin }: SignedLog,
  before: SignedLog | undefined,
  { events, doubts, proof }: ReadEntry,
): EpochGap | undefined {
  const opening = events.find(({ event }) => event.type === 'log.opened')?.event.detail
  const named = opening?.['predecessor'] as Readonly<Record<string, unknown>> | undefined
  const believed = proof !== undefined && (named !== undefined || doubts.length === 0)
  if (!believed || opening?.['origin'] !== origin) return { log: origin, why: 'not said' }
  if (named === undefined && before === undefined) return undefined
  const name = typeof named?.['origin'] === 'string' ? { before: named['origin'] } : {}
  if (named !== undefined && named['origin'] !== before?.origin) return { log: origin, ...name, why: 'missing' }
  const ended = { size: before?.size, root: before && Buffer.from(before.root).toString('base64url') }
  if (named?.['size'] === ended.size && named?.['root'] === ended.root) return undefined
  return { log: origin, ...name, why: 'ends otherwise' }
}
