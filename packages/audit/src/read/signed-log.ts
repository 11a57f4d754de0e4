import { Fault, isFault } from '@writ/contracts'
import { type Checkpoint, openCheckpoint } from '../core/checkpoint.ts'
import { verifiersFor } from '../core/log-verifier.ts'
import { HASH_BYTES, leafHash } from '../core/merkle.ts'
import { proveConsistency, proveInclusion, verifyConsistency, verifyInclusion } from '../core/merkle-proof.ts'
import type { NoteVerifier } from '../core/note.ts'
import { tileHashes } from '../core/tile-hashes.ts'
import { fullTiles, partialWidth, TILE_WIDTH } from '../core/tiles.ts'
import { formatTlogProof } from '../core/tlog-proof.ts'
import { tileKey } from '../log/log-keys.ts'
import { Checkpoints, type LogPlace } from '../verify/checkpoints.ts'
import type { LogReader } from '../verify/log-reader.ts'
import { StoredTiles } from '../verify/stored-tiles.ts'
import { Findings, type Verdict } from '../verify/verdicts.ts'
import { NotVerified } from './not-verified.ts'

/** An entry that stands in the log, with the proof of it; or why nothing can be said of it. */
export type ProvenEntry =
  | { readonly state: 'proven'; readonly entry: Uint8Array; readonly proof: string }
  | {
      readonly state: 'not proven'
      /** As it lies there; nothing of it may be believed. */
      readonly entry: Uint8Array | undefined
      readonly verdict: Verdict
      readonly message: string
    }

interface Bundle {
  readonly entries?: readonly Uint8Array[]
  /** Why there are none. */
  readonly wrong?: Verdict
}

const TILES_KEPT = 64
const BUNDLES_KEPT = 4

/**
 * One log under its newest checkpoint that a pinned key has signed. What it gives is proven to stand under that checkpoint, or is said not to be;
 * that the whole log is sound is for `verifyLog` to say. Nothing is written.
 */
export class SignedLog {
  readonly reader: LogReader
  readonly origin: string
  /** The signed note, verbatim. */
  readonly checkpoint: string
  readonly size: number
  readonly root: Uint8Array
  readonly #vkeys: readonly NoteVerifier[]
  readonly #tiles = new Map<string, Promise<Uint8Array>>()
  readonly #bundles = new Map<number, Bundle>()

  private constructor(
    { reader, origin }: Pick<LogPlace, 'reader' | 'origin'>,
    vkeys: readonly NoteVerifier[],
    signed: { readonly note: string; readonly size: number; readonly root: Uint8Array },
  ) {
    this.reader = reader
    this.origin = origin
    this.#vkeys = vkeys
    this.checkpoint = signed.note
    this.size = signed.size
    this.root = signed.root
  }

  /** Throws Fault `unavailable` where there is no checkpoint or nothing can be read, and `NotVerified` where no pinned key has signed one. */
  static async open(reader: LogReader, origin: string, vkeys: readonly NoteVerifier[]): Promise<SignedLog> {
    const verifiers = verifiersFor(origin, vkeys)
    const place: LogPlace = { reader, origin, verifiers, findings: new Findings() }
    const { head } = await Checkpoints.read(place, [])
    if (place.findings.list.some(({ verdict }) => verdict === 'checkpoint_forged'))
      throw new NotVerified('bad_signature', {
        message: `The checkpoint of ${origin} in ${reader.name} is not signed by a pinned log key.`,
      })
    // `checkpoint` may have been replaced since: what is read now counts.
    const bytes = head && (await reader.read(head.object))
    const note = bytes && Buffer.from(bytes).toString()
    const signed = note === undefined ? undefined : opened(note, verifiers)
    if (note === undefined || signed?.origin !== origin) {
      const message = `${reader.name} has no checkpoint of ${origin} that a pinned log key has signed.`
      throw new Fault('unavailable', { message })
    }
    return new SignedLog(place, vkeys, { note, size: signed.size, root: signed.root })
  }

  /** Entries from `from` on, below `to`, as they lie there: nothing of them is verified. Missing ones do not come. */
  async *entries(
    from: number,
    to: number = this.size,
  ): AsyncGenerator<{ readonly index: number; readonly entry: Uint8Array }> {
    for (let index = Math.max(0, from); index < Math.min(to, this.size); index++) {
      const entry = await this.entryAt(index)
      if (entry !== undefined) yield { index, entry }
    }
  }

  /** As it lies there: nothing of it is verified. */
  async entryAt(index: number): Promise<Uint8Array | undefined> {
    if (index < 0 || index >= this.size) return undefined
    const { entries } = await this.#bundle(Math.floor(index / TILE_WIDTH))
    return entries?.[index % TILE_WIDTH]
  }

  /** An entry with its inclusion proof (C2SP tlog-proof), which was verified. */
  async prove(index: number): Promise<ProvenEntry> {
    const entry = await this.entryAt(index)
    if (index >= this.size) {
      const message = `The log ${this.origin} has ${this.size} entries: there is no entry ${index}.`
      return { state: 'not proven', entry, verdict: 'entry_missing', message }
    }
    if (entry === undefined) {
      const { wrong } = await this.#bundle(Math.floor(index / TILE_WIDTH))
      return {
        state: 'not proven',
        entry,
        verdict: wrong ?? 'entry_missing',
        message: `Entry ${index} cannot be read.`,
      }
    }
    const { size, root } = this
    const proof = await ifTiles(proveInclusion(index, size, this.#hashOf()))
    if (proof === undefined)
      return {
        state: 'not proven',
        entry,
        verdict: 'tile_missing',
        message: 'A hash tile is missing or cannot be read.',
      }
    if (verifyInclusion({ index, size, leaf: leafHash(entry), proof, root }))
      return { state: 'proven', entry, proof: formatTlogProof({ index, proof, checkpoint: this.checkpoint }) }
    const message = `Entry ${index} is not the one that the log committed to, or a hash tile beside it was altered.`
    return { state: 'not proven', entry, verdict: 'entry_altered', message }
  }

  /** The log as it is signed now; this one where nothing has come. Throws `NotVerified` unless it goes on from this one. */
  async grown(): Promise<SignedLog> {
    const now = await SignedLog.open(this.reader, this.origin, this.#vkeys)
    if (now.checkpoint === this.checkpoint) return this
    const { size, root } = now
    const proof = size < this.size ? undefined : await ifTiles(proveConsistency(this.size, size, now.#hashOf()))
    const older = { older: this.size, olderRoot: this.root }
    if (proof === undefined || !verifyConsistency({ ...older, size, root, proof }))
      throw new NotVerified('chain_broken', {
        message: `The log ${this.origin} does not go on from the ${this.size} entries that were signed before.`,
      })
    return now
  }

  async #bundle(n: number): Promise<Bundle> {
    const known = this.#bundles.get(n)
    if (known !== undefined) return known
    if (this.#bundles.size >= BUNDLES_KEPT) this.#bundles.delete(this.#bundles.keys().next().value ?? 0)
    const bundle = await this.#readBundle(n)
    this.#bundles.set(n, bundle)
    return bundle
  }

  async #readBundle(n: number): Promise<Bundle> {
    const { reader, origin, size } = this
    const findings = new Findings()
    const width = n < fullTiles(0, size) ? TILE_WIDTH : partialWidth(0, size)
    const entries = await new StoredTiles({ reader, origin, verifiers: [], findings }).bundle(n, width)
    return entries === undefined ? { wrong: findings.list[0]?.verdict ?? 'entry_missing' } : { entries }
  }

  #hashOf(): ReturnType<typeof tileHashes> {
    return tileHashes(this.size, (path) => this.#tile(path))
  }

  #tile(path: string): Promise<Uint8Array> {
    const known = this.#tiles.get(path)
    if (known !== undefined) return known
    if (this.#tiles.size >= TILES_KEPT) this.#tiles.delete(this.#tiles.keys().next().value ?? '')
    const reading = this.#readTile(path)
    this.#tiles.set(path, reading)
    return reading
  }

  /** A log that has grown since has the full tile, and may have lost the narrower one. */
  async #readTile(path: string): Promise<Uint8Array> {
    const [full = path, width = TILE_WIDTH] = path.split('.p/')
    for (const name of new Set([path, full])) {
      const bytes = await this.reader.read(tileKey(this.origin, name))
      if (bytes !== undefined) return name === path ? bytes : bytes.subarray(0, Number(width) * HASH_BYTES)
    }
    throw new RangeError(`no tile ${path}`)
  }
}

function opened(note: string, verifiers: readonly NoteVerifier[]): Checkpoint | undefined {
  try {
    return openCheckpoint(note, verifiers)
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

/** Undefined where a tile is missing or has not its form. */
async function ifTiles<T>(made: Promise<T>): Promise<T | undefined> {
  try {
    return await made
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
