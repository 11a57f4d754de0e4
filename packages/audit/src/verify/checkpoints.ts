import { isFault } from '@writ/contracts'
import { type OpenedCheckpoint, openCheckpoint } from '../core/checkpoint.ts'
import { sameHash } from '../core/merkle.ts'
import type { NoteVerifier } from '../core/note.ts'
import { SignedTimes } from '../core/signed-time.ts'
import { checkpointCopyKey, checkpointKey } from '../log/log-keys.ts'
import type { KnownCheckpoint } from './known-checkpoints.ts'
import type { LogReader } from './log-reader.ts'
import type { Findings } from './verdicts.ts'

/** One log to verify: where it is read and whose checkpoints are believed. */
export interface LogPlace {
  readonly reader: LogReader
  readonly origin: string
  readonly verifiers: readonly NoteVerifier[]
  readonly findings: Findings
}

/** A tree that a pinned key has signed. */
export interface SignedTree {
  readonly size: number
  readonly root: Uint8Array
  /** When, in Unix seconds, by the clock of the log's own cosigner; absent where no pinned one says so. */
  readonly timeSeconds?: number
  /** The object that says so, or what the auditor brought. */
  readonly object: string
}

/** The roots that what is stored gives at one size: from the entries, and from the hash tiles where these say something else. */
export type Roots = readonly Uint8Array[]

/** Opens a checkpoint or says that it is forged. */
export function openSigned(
  { origin, verifiers, findings }: LogPlace,
  object: string,
  note: Uint8Array,
): SignedTree | undefined {
  try {
    const checkpoint = openCheckpoint(Buffer.from(note).toString(), verifiers)
    if (checkpoint.origin === origin) return treeOf(checkpoint, object)
    findings.add('checkpoint_forged', { object }, 'The checkpoint is about another log.')
  } catch (error) {
    if (!isFault(error)) throw error
    findings.add('checkpoint_forged', { object }, 'The checkpoint is not signed by a pinned log key.')
  }
  return undefined
}

function treeOf({ size, root, signedTimeSeconds: timeSeconds }: OpenedCheckpoint, object: string): SignedTree {
  return { size, root, object, ...(timeSeconds !== undefined && { timeSeconds }) }
}

const COPY_NAME = /^\d{20}$/

/**
 * What was signed about a log: the copies of all its checkpoints by size, `checkpoint` itself and its versions, and what the auditor kept from
 * an earlier visit. They are compared with the tree as it grows.
 */
export class Checkpoints {
  readonly #place: LogPlace
  readonly #sizes: readonly number[]
  readonly #others: readonly SignedTree[]
  /** The largest tree that was signed and is to be found here: the log is verified up to it. */
  readonly head: SignedTree | undefined
  /** Size of `checkpoint`, where it is signed. */
  readonly shown: number | undefined
  /** Checkpoints with a signed time that were compared. */
  timed = 0
  #at = 0
  #matchedAt = 0
  readonly #times = new SignedTimes()
  #mismatches: (SignedTree & { readonly sealAgrees: boolean })[] = []

  private constructor(
    place: LogPlace,
    sizes: readonly number[],
    others: readonly SignedTree[],
    head?: SignedTree,
    shown?: number,
  ) {
    this.#place = place
    this.#sizes = sizes
    this.#others = others
    this.head = head
    this.shown = shown
  }

  static async read(place: LogPlace, known: readonly KnownCheckpoint[]): Promise<Checkpoints> {
    const { reader, origin, findings } = place
    const sizes: number[] = []
    for await (const name of reader.list(`${origin}.meta/checkpoints/`))
      if (COPY_NAME.test(name)) sizes.push(Number(name))
    const object = checkpointKey(origin)
    const bytes = await reader.read(object)
    if (bytes === undefined) findings.add('checkpoint_missing', { object }, 'The log has no checkpoint.')
    const shown = bytes === undefined ? undefined : openSigned(place, object, bytes)
    const kept = known.flatMap(({ name, note }) => openSigned(place, name, note) ?? [])
    const last = await lastCopy(place, sizes)
    const head = shown !== undefined && shown.size >= (last?.size ?? 0) ? shown : last
    const others = [...(shown === undefined ? [] : [shown]), ...kept]
    return new Checkpoints(place, sizes, others, head, shown?.size)
  }

  /** The next size at which something was signed. */
  isDue(size: number): boolean {
    return this.#sizes[this.#at] === size || this.#others.some((other) => other.size === size)
  }

  hasCopy(size: number): boolean {
    return this.#sizes[this.#at - 1] === size || this.#sizes[this.#at] === size
  }

  /** Compares all that was signed at this size. */
  async reached(size: number, roots: Roots, sealAgrees: boolean): Promise<'match' | 'mismatch' | 'none'> {
    const signed = this.#others.filter((other) => other.size === size)
    if (this.#sizes[this.#at] === size) {
      this.#at += 1
      const copy = await readCopy(this.#place, size)
      if (copy !== undefined) signed.push(copy)
    }
    for (const tree of signed) this.#timed(tree)
    if (signed.length === 0) return 'none'
    const wrong = signed.filter(({ root }) => !roots.some((found) => sameHash(found, root)))
    this.#mismatches.push(...wrong.map((tree) => ({ ...tree, sealAgrees })))
    if (wrong.length === signed.length) return 'mismatch'
    this.#matchedAt = size
    return 'match'
  }

  /** Signed times grow with the sizes; what was brought from elsewhere counts too, since the same key signed it. */
  #timed({ size, timeSeconds, object }: SignedTree): void {
    if (timeSeconds === undefined) return
    this.timed += 1
    const back = this.#times.add({ size, timeSeconds, object })
    if (back === undefined) return
    const seconds = back.earlier.timeSeconds - timeSeconds
    const message = `The checkpoint of ${size} leaves was signed ${seconds} s before that of ${back.earlier.size}, by the log’s own signed time.`
    this.#place.findings.add('clock_regressed', { object }, message)
  }

  /** Says what the comparisons mean, after the whole tree was seen. `unfinished`: size before and after a seal that was being made. */
  async conclude(unfinished: { readonly from: number; readonly to: number } | undefined): Promise<void> {
    const { findings } = this.#place
    const size = this.head?.size ?? 0
    const forks = this.#mismatches.filter((tree) => tree.size <= this.#matchedAt || tree.sealAgrees)
    for (const { object, size: at } of forks)
      findings.add(
        'history_forked',
        { object },
        `A checkpoint of size ${at} was signed that is not about these entries.`,
      )
    const altered = this.#mismatches.find((tree) => !forks.includes(tree))
    if (altered !== undefined) {
      const message = `Of leaves ${this.#matchedAt} to ${altered.size - 1} at least one is not what was signed at size ${altered.size}.`
      findings.add('entry_altered', { leaf: this.#matchedAt, object: altered.object }, message)
    }
    // Beyond the head nothing is signed, else it were the head: what lies there says so itself.
    for (const rest of this.#sizes.slice(this.#at)) await readCopy(this.#place, rest)
    const beyond = this.#others.filter((other) => other.size > size)
    for (const { object, size: at } of beyond)
      findings.add('checkpoint_rolled_back', { object }, `The log has ${size} leaves and was signed at ${at} before.`)
    const lags = this.shown !== undefined && this.shown < size
    if (lags && !(unfinished?.from === this.shown && unfinished.to === size)) {
      const message = `\`checkpoint\` shows ${this.shown} leaves; the log was signed at ${size}.`
      findings.add('checkpoint_rolled_back', { object: checkpointKey(this.#place.origin) }, message)
    }
    await this.#versions(size)
  }

  /** What `checkpoint` held over time never turned back and never differed from the copy of its size. */
  async #versions(size: number): Promise<void> {
    const { reader, origin, findings } = this.#place
    const object = `${checkpointKey(origin)} (an earlier version)`
    let last = 0
    for await (const note of reader.versions(checkpointKey(origin))) {
      const signed = openSigned(this.#place, object, note)
      if (signed === undefined) continue
      const copy = await readCopyQuietly(this.#place, signed.size)
      if (copy !== undefined && !sameHash(copy.root, signed.root))
        findings.add(
          'history_forked',
          { object },
          `Two checkpoints of size ${signed.size} with other roots were signed.`,
        )
      if (signed.size < last || (signed.size > size && !(await this.#hasGrownTo(signed.size))))
        findings.add(
          'checkpoint_rolled_back',
          { object },
          `\`checkpoint\` showed ${signed.size} leaves at an odd time.`,
        )
      last = Math.max(last, signed.size)
    }
  }

  /** A log that is being written grows while it is read: then `checkpoint` itself shows it by now. */
  async #hasGrownTo(size: number): Promise<boolean> {
    const { reader, origin, verifiers } = this.#place
    const note = await reader.read(checkpointKey(origin))
    if (note === undefined) return false
    try {
      const now = openCheckpoint(Buffer.from(note).toString(), verifiers)
      return now.origin === origin && now.size >= size
    } catch (error) {
      if (isFault(error)) return false
      throw error
    }
  }
}

/** The largest copy that is signed; those above it that are not are forged, which reading them in order says. */
async function lastCopy(place: LogPlace, sizes: readonly number[]): Promise<SignedTree | undefined> {
  for (const size of sizes.toReversed()) {
    const copy = await readCopyQuietly(place, size)
    if (copy !== undefined) return copy
  }
  return undefined
}

async function readCopy(place: LogPlace, size: number): Promise<SignedTree | undefined> {
  const object = checkpointCopyKey(place.origin, size)
  const bytes = await place.reader.read(object)
  const copy = bytes === undefined ? undefined : openSigned(place, object, bytes)
  if (copy === undefined || copy.size === size) return copy
  place.findings.add(
    'checkpoint_forged',
    { object },
    `The checkpoint is about ${copy.size} leaves, not about its name’s.`,
  )
  return undefined
}

async function readCopyQuietly(place: LogPlace, size: number): Promise<SignedTree | undefined> {
  const object = checkpointCopyKey(place.origin, size)
  const bytes = await place.reader.read(object)
  if (bytes === undefined) return undefined
  try {
    const checkpoint = openCheckpoint(Buffer.from(bytes).toString(), place.verifiers)
    return checkpoint.origin === place.origin && checkpoint.size === size ? treeOf(checkpoint, object) : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
