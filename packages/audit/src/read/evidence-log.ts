import { Fault } from '@writ/contracts'
import { parseOrigin } from '../core/epoch.ts'
import type { NoteVerifier } from '../core/note.ts'
import { epochsHere, newestOrigin } from '../verify/epochs.ts'
import type { Pins } from '../verify/key-ring.ts'
import type { LogReader } from '../verify/log-reader.ts'
import { documentsNamed } from './documents-named.ts'
import { type Found, findEvidence, type Search } from './find-evidence.ts'
import { KeysInLog } from './keys-in-log.ts'
import { type ReadContext, type ReadEntry, readEntry } from './read-entry.ts'
import { SignedLog } from './signed-log.ts'

export interface EvidenceOptions {
  readonly reader: LogReader
  /** Pinned log keys. */
  readonly vkeys: readonly NoteVerifier[]
  /** Pinned operators and anchors. */
  readonly pins: Pins
  /** The log to read, with those before it; the newest here that a pinned key speaks for when absent. */
  readonly origin?: string
  /** Opens sealed documents. */
  readonly subjectKeys?: ReadonlyMap<string, Uint8Array>
}

/**
 * Reads the evidence of a log and those before it, from files and pins alone. Each entry that it gives was verified by itself, or says why not
 * (`ReadEntry.doubts`); that none is missing is for `verifyLog` to say.
 */
export class EvidenceLog {
  readonly region: string
  readonly #options: EvidenceOptions
  #logs: readonly SignedLog[]
  /** Keys that were found near the entries read last. */
  #keys: KeysInLog | undefined

  private constructor(options: EvidenceOptions, region: string, logs: readonly SignedLog[]) {
    this.#options = options
    this.region = region
    this.#logs = logs
  }

  /**
   * Throws Fault `unavailable` where files cannot be read or hold no such log, and `NotVerified` where its checkpoint is signed by no pinned key.
   */
  static async open(options: EvidenceOptions): Promise<EvidenceLog> {
    const { reader, vkeys } = options
    const origin = options.origin ?? (await newestOrigin(reader, vkeys))
    const region = parseOrigin(origin ?? '')?.region
    if (origin === undefined || region === undefined)
      throw new Fault('unavailable', { message: `${reader.name} holds no log that a pinned key speaks for.` })
    const origins = (await epochsHere(reader, origin)).filter((log) => log <= origin)
    const logs: SignedLog[] = []
    for (const one of origins.length === 0 ? [origin] : origins) logs.push(await SignedLog.open(reader, one, vkeys))
    return new EvidenceLog(options, region, logs)
  }

  /** Under its newest signed checkpoint. */
  get newest(): SignedLog {
    return this.#logs.at(-1) as SignedLog
  }

  /** All that are read, oldest first. */
  get logs(): readonly SignedLog[] {
    return this.#logs
  }

  /** One entry of the newest log. */
  async entry(index: number): Promise<ReadEntry> {
    this.#keys ??= this.#keysNear(index)
    await this.#keys.reach({ log: this.#logs.length - 1, index: Math.min(index, this.newest.size) })
    return await readEntry(this.#context(this.#keys), this.newest, index)
  }

  /** Entries of the newest log from `from` on, in their order, to its end. */
  async *entries(from: number): AsyncGenerator<ReadEntry> {
    for (let index = from; index < this.newest.size; index++) yield await this.entry(index)
  }

  /**
   * Reads the newest signed checkpoint again, also that of an epoch that has begun. Returns whether anything came. Throws `NotVerified` when the
   * log does not go on from what was read before.
   */
  async refresh(): Promise<boolean> {
    const { reader, vkeys, origin } = this.#options
    const before = this.newest
    const now = await before.grown()
    this.#logs = [...this.#logs.slice(0, -1), now]
    if (now !== before) this.#keys = undefined
    if (now !== before || origin !== undefined) return now !== before
    const next = (await newestOrigin(reader, vkeys)) ?? before.origin
    if (next <= before.origin) return false
    this.#logs = [...this.#logs, await SignedLog.open(reader, next, vkeys)]
    return true
  }

  /** What the logs hold about something, each entry verified by itself. `onProgress`: entries that were looked at, of all. */
  async find(search: Search, onProgress?: (entries: number, of: number) => void): Promise<Found> {
    return await findEvidence(this.#logs, search, this.#contextOptions(), onProgress)
  }

  /** The signed messages with these digests, wherever the logs hold them, as far as keys open them. Who signed them was not verified. */
  async documents(digests: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return await documentsNamed(this.#logs, digests, this.#contextOptions().keyOf)
  }

  #contextOptions(): Omit<ReadContext, 'keys'> & { readonly pins: Pins } {
    const { pins, subjectKeys } = this.#options
    return { pins, region: this.region, keyOf: (kid) => subjectKeys?.get(kid) }
  }

  #context(keys: KeysInLog): ReadContext {
    return { ...this.#contextOptions(), keys }
  }

  #keysNear(index: number): KeysInLog {
    const near = { log: this.#logs.length - 1, index: Math.min(index + 1, this.newest.size) }
    return new KeysInLog({ ...this.#contextOptions(), logs: this.#logs }, near)
  }
}
