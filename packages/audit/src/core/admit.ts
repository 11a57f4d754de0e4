import type { AuditEntry } from './audit-entry.ts'
import {
  admission,
  covers,
  type Digests,
  enter,
  type KnownDigests,
  type SourceHead,
  type SourceHeads,
} from './source-heads.ts'
import { TILE_WIDTH } from './tiles.ts'

/** A message as it was read from a stream; `entry` is absent where it does not enter whatever else is so. */
export interface Candidate {
  readonly stream: string
  readonly seq: number
  readonly entry?: AuditEntry
}

/** A used number of a source whose digests must be looked up before the batch can be judged. */
export interface Unknown {
  readonly source: string
  readonly seq: number
}

export interface Admitted {
  readonly entries: readonly AuditEntry[]
  readonly heads: SourceHeads
  /** Sources of messages that are in the log already. */
  readonly duplicates: readonly string[]
  /** The last sequence of each stream that this batch settles. */
  readonly settled: ReadonlyMap<string, number>
}

/**
 * Judges candidates in their order. With `unknown` nothing is decided: look these up and call again.
 * A batch that crosses a boundary of tiles ends at the last one crossed, so that no partial tile is written that the next seal replaces.
 */
export function admit(
  heads: SourceHeads,
  size: number,
  candidates: readonly Candidate[],
  known: KnownDigests,
): { readonly admitted: Admitted } | { readonly unknown: readonly Unknown[] } {
  const all = fold(heads, size, candidates, known)
  if (all.unknown.length > 0) return { unknown: all.unknown }
  const aligned = Math.floor((size + all.entries.length) / TILE_WIDTH) * TILE_WIDTH
  if (aligned <= size || aligned === size + all.entries.length) return { admitted: all }
  const end = candidates.indexOf(all.entered[aligned - size] as Candidate)
  return { admitted: fold(heads, size, candidates.slice(0, end), known) }
}

function fold(
  heads: SourceHeads,
  size: number,
  candidates: readonly Candidate[],
  known: KnownDigests,
): Admitted & { unknown: readonly Unknown[]; entered: readonly Candidate[] } {
  const after = new Map<string, SourceHead>(heads)
  const here = new Map<string, string[]>()
  const entered: Candidate[] = []
  const [unknown, duplicates] = [new Map<string, Unknown>(), new Set<string>()]
  const settled = new Map<string, number>()
  for (const candidate of candidates) {
    settled.set(candidate.stream, candidate.seq)
    if (candidate.entry === undefined) continue
    const { source, seq, digest } = candidate.entry
    const place = `${source} ${seq}`
    const verdict = admission(after, candidate.entry, () =>
      withOwn(known(source, seq), here.get(place), heads.get(source), seq),
    )
    if (verdict === 'unknown') unknown.set(place, { source, seq })
    if (verdict === 'duplicate') duplicates.add(source)
    if (verdict !== 'enter') continue
    after.set(source, enter(after.get(source), seq, digest, size + entered.length))
    here.set(place, [...(here.get(place) ?? []), digest])
    entered.push(candidate)
  }
  const entries = entered.map(({ entry }) => entry as AuditEntry)
  return { entries, heads: after, duplicates: [...duplicates], settled, unknown: [...unknown.values()], entered }
}

/** What is in the log and what this batch itself brings. A number that was free before this batch needs no look-up. */
function withOwn(
  known: Digests | undefined,
  own: readonly string[] | undefined,
  before: SourceHead | undefined,
  seq: number,
): Digests | undefined {
  if (known === 'forgotten') return known
  const free = before === undefined || !covers(before, seq)
  if (known === undefined && !free) return undefined
  return [...(known ?? []), ...(own ?? [])]
}
