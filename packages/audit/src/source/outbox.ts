import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { AUDIT_BYTES_MAX, auditMessage, Fault } from '@writ/contracts'
import { Journal, type JournalOptions, syncDirectory } from '@writ/durable'
import { openMessage } from '@writ/keys'

/** Names a message of a chain: the last one, mostly. */
export interface Head {
  readonly source: string
  readonly seq: number
  readonly digest: string
}

/** A signed message of a chain, as it is sent and sent again. */
export interface Kept extends Head {
  readonly bytes: Buffer
}

const COMPACT_ABOVE_BYTES = 256 * 1024

/**
 * The messages of one boot that the log is not yet known to hold, in a journal. What is appended survives `kill -9` and power
 * cuts and is given out again, byte for byte, until `cover` says that the log has it.
 */
export class Outbox {
  readonly #path: string
  readonly #journal: Journal
  #uncovered: Kept[]
  #covered: Head | undefined
  #bytes: number
  /** The write under way: a rewrite must not begin between a message on the disk and its place in memory. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, journal: Journal, state: { uncovered: Kept[]; covered: Head | undefined }) {
    this.#path = path
    this.#journal = journal
    this.#uncovered = state.uncovered
    this.#covered = state.covered
    this.#bytes = state.uncovered.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** Throws Fault `internal` when the file holds anything but one unbroken chain. */
  static async open(path: string, options: JournalOptions = {}): Promise<Outbox> {
    const state: { uncovered: Kept[]; covered: Head | undefined } = { uncovered: [], covered: undefined }
    const replay = (record: Buffer) => {
      if (record[0] === OPENING_BRACE) state.covered = JSON.parse(record.toString()) as Head
      else state.uncovered.push(follow(state.uncovered.at(-1) ?? state.covered, readKept(record)))
    }
    const journal = await Journal.open(path, { ...options, replay, recordBytesMax: AUDIT_BYTES_MAX })
    return new Outbox(path, journal, state)
  }

  /** The chain's last message, sent or not; undefined before the first. */
  get head(): Head | undefined {
    return this.#uncovered.at(-1) ?? this.#covered
  }

  /** Whether the log is known to hold message `seq`. */
  covers(seq: number): boolean {
    return this.#covered !== undefined && seq <= this.#covered.seq
  }

  /** Oldest first. */
  get uncovered(): readonly Kept[] {
    return this.#uncovered
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Resolves when the message survives a crash. Throws Fault `unavailable`; then it must not be sent. */
  async append(kept: Kept): Promise<void> {
    await this.#inTurn(async () => {
      await this.#journal.append(kept.bytes)
      this.#uncovered.push(follow(this.head, kept))
      this.#bytes += kept.bytes.length
    })
  }

  async #inTurn(write: () => Promise<void>): Promise<void> {
    const mine = this.#writing.then(write)
    this.#writing = mine.catch(() => undefined)
    await mine
  }

  /** The log holds every message up to `seq`. Frees memory at once, and disk when it is worth a rewrite. */
  async cover(seq: number): Promise<void> {
    const covered = this.#uncovered.filter((kept) => kept.seq <= seq)
    const last = covered.at(-1)
    if (last === undefined) return
    this.#uncovered = this.#uncovered.slice(covered.length)
    this.#bytes -= covered.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#covered = { source: last.source, seq: last.seq, digest: last.digest }
    if (this.#journal.bytes > COMPACT_ABOVE_BYTES && this.#bytes < this.#journal.bytes / 2) await this.compact()
  }

  async compact(): Promise<void> {
    await this.#inTurn(async () => {
      const covered = this.#covered === undefined ? [] : [Buffer.from(JSON.stringify(this.#covered))]
      await this.#journal.compact([...covered, ...this.#uncovered.map(({ bytes }) => bytes)])
    })
  }

  /** What is covered is left out of the file if that is quickly done: it would be sent again for nothing. */
  async close(): Promise<void> {
    if (this.#uncovered.length === 0 && this.#covered !== undefined) await this.compact().catch(() => {})
    await this.#journal[Symbol.asyncDispose]()
  }

  /** Forgets the boot. Only after everything is covered and the next boot has named its head. */
  async remove(): Promise<void> {
    await this.close()
    await rm(this.#path, { force: true })
    await syncDirectory(dirname(this.#path))
  }
}

const OPENING_BRACE = 0x7b

function readKept(record: Buffer): Kept {
  const bytes = Buffer.from(record)
  const { claims, jws } = openMessage(auditMessage, bytes)
  return { source: claims.source, seq: claims.seq, digest: jws.digest, bytes }
}

function follow(head: Head | undefined, kept: Kept): Kept {
  const follows = head === undefined ? kept.seq === 0 : kept.source === head.source && kept.seq === head.seq + 1
  if (follows) return kept
  throw new Fault('internal', { message: `An audit outbox holds message ${kept.seq} where another belongs.` })
}
