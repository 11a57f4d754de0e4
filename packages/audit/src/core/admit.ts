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
  // Nearly always everything that may enter does; where less did, what was taken for the boundary is looked for again.
  let wanted = candidates.reduce((count, { entry }) => count + (entry === undefined ? 0 : 1), 0)
  for (;;) {
    const aligned = Math.floor((size + wanted) / TILE_WIDTH) * TILE_WIDTH
    const limit = aligned <= size ? wanted : aligned - size
    const { unknown, ...admitted } = fold(heads, size, candidates, known, limit)
    if (unknown.length > 0) return { unknown }
    if (admitted.entries.length === limit) return { admitted }
    wanted = admitted.entries.length
  }
}

/** Judges candidates up to the one that would be the next after `limit` entries. */
function fold(
  heads: SourceHeads,
  size: number,
  candidates: readonly Candidate[],
  known: KnownDigests,
  limit: number,
): Admitted & { unknown: readonly Unknown[] } {
  const after = new Map<string, SourceHead>(heads)
  const here = new OwnDigests()
  const entries: AuditEntry[] = []
  const [unknown, duplicates] = [new Map<string, Unknown>(), new Set<string>()]
  const settled = new Map<string, number>()
  const ofAll = (entry: AuditEntry) => (): Digests | undefined =>
    withOwn(known(entry.source, entry.seq), here.get(entry), heads.get(entry.source), entry.seq)
  for (const { stream, seq: place, entry } of candidates) {
    const verdict = entry === undefined ? undefined : admission(after, entry, ofAll(entry))
    if (verdict === 'enter' && entries.length === limit) break
    settled.set(stream, place)
    if (entry === undefined) continue
    const { source, seq, digest } = entry
    if (verdict === 'unknown') unknown.set(`${source} ${seq}`, { source, seq })
    if (verdict === 'duplicate') duplicates.add(source)
    if (verdict !== 'enter') continue
    after.set(source, enter(after.get(source), seq, digest, size + entries.length))
    here.add(entry)
    entries.push(entry)
  }
  return { entries, heads: after, duplicates: [...duplicates], settled, unknown: [...unknown.values()] }
}

/** Digests by source and number. */
class OwnDigests {
  readonly #sources = new Map<string, Map<number, readonly string[]>>()

  get({ source, seq }: AuditEntry): readonly string[] | undefined {
    return this.#sources.get(source)?.get(seq)
  }

  add({ source, seq, digest }: AuditEntry): void {
    const own = this.#sources.get(source) ?? new Map<number, readonly string[]>()
    this.#sources.set(source, own.set(seq, [...(own.get(seq) ?? []), digest]))
  }
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
