import { AUDIT_BYTES_MAX } from '@writ/contracts'
import { parseJws } from '@writ/keys'
import { covers, type Digests, type SourceHeads } from '../core/source-heads.ts'
import type { LogFiles } from './log-files.ts'
import type { Staged } from './seal.ts'

/**
 * Digests of a source's messages that entered under a number which the log covers: those of the seal that first covered it. It is found by halving over
 * the seals' staged batches, so a source that repeats its past costs some twenty reads, not the log.
 * Batches are gone after a short retention, the oldest first. `forgotten` only where the oldest that is left covers the number already: what entered
 * lately is found whatever is gone below it.
 */
export async function findEntered(
  files: LogFiles,
  state: { readonly n: number; readonly predecessor?: string | undefined },
  source: string,
  seq: number,
): Promise<Digests> {
  // Seal `low` does not cover it, its batch is gone (`lost`), or it is what the epoch started with; seal `high` covers it.
  let [low, high, lost] = [0, state.n, false]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    const head = (await stagedOf(files, middle))?.sources
    if (head !== undefined && coversIn(head, source, seq)) high = middle
    else [low, lost] = [middle, head === undefined]
  }
  const first = high > 0 && !lost ? await stagedOf(files, high) : undefined
  if (first === undefined && high > 0) return 'forgotten'
  const digests = first === undefined ? [] : digestsOf(first, source, seq)
  if (digests.length > 0 || high > 1 || state.predecessor === undefined) return digests
  return await inPredecessor(files.other(state.predecessor), source, seq)
}

function coversIn(sources: SourceHeads, source: string, seq: number): boolean {
  const head = sources.get(source)
  return head !== undefined && covers(head, seq)
}

/** What this epoch started with came from the one before. */
async function inPredecessor(files: LogFiles, source: string, seq: number): Promise<Digests> {
  const n = await files.lastSeal()
  const last = await stagedOf(files, n)
  if (last === undefined) return 'forgotten'
  return await findEntered(files, { n, predecessor: last.predecessor }, source, seq)
}

async function stagedOf(files: LogFiles, n: number): Promise<Staged | undefined> {
  const seal = await files.seal(n)
  return seal && (await files.staged(seal))
}

function digestsOf(staged: Staged, source: string, seq: number): string[] {
  return staged.entries
    .map((entry) => parseJws(entry, AUDIT_BYTES_MAX))
    .filter(({ payload }) => payload['source'] === source && payload['seq'] === seq)
    .map(({ digest }) => digest)
}
