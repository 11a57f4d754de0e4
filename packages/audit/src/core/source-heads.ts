/** Messages `from` to `to` of a source that are in the log beyond a hole, and the digest of the last of them. */
export type Run = readonly [from: number, to: number, digest: string]

/** What the log knows of one source's chain. Bounded: it travels in every seal. */
export interface SourceHead {
  /** Every message up to this one is in the log; −1: not even the first. */
  readonly seq: number
  /** Digest of that message; empty where there is none. */
  readonly digest: string
  /** Leaf index of the source's last entry in this epoch; absent: it has none yet. */
  readonly at?: number
  /** Beyond holes, in order. */
  readonly ahead: readonly Run[]
  /** Digests that entered under a number which was used already, the latest ones: a fork's evidence enters once. */
  readonly late: readonly string[]
}

export type SourceHeads = ReadonlyMap<string, SourceHead>

/** Holes that are remembered for a source. Honest sources publish in order and have none for long. */
const RUNS_MAX = 64
const LATE_MAX = 64

const NONE: SourceHead = { seq: -1, digest: '', ahead: [], late: [] }

/**
 * `enter`: not in the log. `duplicate`: in the log. `unknown`: its number is used, and by which digests is not known here: look it up and ask again.
 */
export type Admission = 'enter' | 'duplicate' | 'unknown'

/**
 * Digests in the log under one number of a source; undefined where that is not known yet. `forgotten`: sealed too long ago to tell by now, so the
 * message is taken for what is there.
 */
export type Digests = readonly string[] | 'forgotten'
export type KnownDigests = (source: string, seq: number) => Digests | undefined

/** Whether a message enters. It depends on the log and the message alone: what `known` has not at hand is looked up, never guessed. */
export function admission(
  heads: SourceHeads,
  message: { source: string; seq: number; digest: string },
  known: KnownDigests,
): Admission {
  const { source, seq, digest } = message
  const head = heads.get(source)
  if (head === undefined || !covers(head, seq)) return 'enter'
  const last = head.seq === seq ? head.digest : head.ahead.find(([, to]) => to === seq)?.[2]
  if (last === digest || head.late.includes(digest)) return 'duplicate'
  const digests = known(source, seq)
  if (digests === undefined) return 'unknown'
  return digests === 'forgotten' || digests.includes(digest) ? 'duplicate' : 'enter'
}

/** Whether a message with this number is in the log. */
export function covers(head: SourceHead, seq: number): boolean {
  return seq <= head.seq || head.ahead.some(([from, to]) => from <= seq && seq <= to)
}

/** The head after a message entered as leaf `at`. */
export function enter(before: SourceHead | undefined, seq: number, digest: string, at: number): SourceHead {
  const { seq: last, ahead, late } = before ?? NONE
  // As honest sources do: each message after the one before.
  if (seq === last + 1 && ahead.length === 0) return { seq, digest, at, ahead, late }
  const head = { ...(before ?? NONE), at }
  if (covers(head, seq)) return { ...head, late: [...head.late, digest].slice(-LATE_MAX) }
  const runs = addRun(head.ahead, seq, digest)
  return close({ ...head, ahead: runs })
}

/** Extends the run that ends right before, joins it with the one that begins right after, or begins a new one. */
function addRun(runs: readonly Run[], seq: number, digest: string): Run[] {
  const before = runs.find(([, to]) => to === seq - 1)
  const after = runs.find(([from]) => from === seq + 1)
  const run: Run = [before?.[0] ?? seq, after?.[1] ?? seq, after?.[2] ?? digest]
  return [...runs.filter((other) => other !== before && other !== after), run].sort((a, b) => a[0] - b[0])
}

/** Moves the head over runs that follow it. With too many holes the lowest is given up: that misleads only the source that made them. */
function close(head: SourceHead): SourceHead {
  const [first, ...rest] = head.ahead
  if (first === undefined || (first[0] !== head.seq + 1 && head.ahead.length <= RUNS_MAX)) return head
  return close({ ...head, seq: first[1], digest: first[2], ahead: rest })
}

/** What a new epoch starts from. Sources that said nothing in the whole epoch before are forgotten, so the list does not grow for ever. */
export function carryOver(heads: SourceHeads): SourceHeads {
  const live = [...heads].filter(([, { at }]) => at !== undefined)
  return new Map(live.map(([source, { at: _, ...head }]) => [source, head]))
}
