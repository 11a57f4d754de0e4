import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '@writ/contracts'
import { decodeFileHeader, encodeFileHeader, encodeFrame } from './frame.ts'
import { type JournalFile, journalFile } from './journal-file.ts'
import { recover } from './recover.ts'
import { errnoOf, storageFault } from './storage-fault.ts'
import { syncDirectory } from './sync-directory.ts'
import { writeFileDurably } from './write-file-durably.ts'

export interface JournalOptions {
  /** Called for each record at open, oldest first. The bytes are valid during the call; copy what is kept. */
  readonly replay?: (record: Buffer) => void
  /** The longest record taken; 1 MiB unless told otherwise. */
  readonly recordBytesMax?: number
  /** The longest file; 1 GiB unless told otherwise. A full journal answers `unavailable` until it is compacted. */
  readonly journalBytesMax?: number
  /** Stands between the journal and its file, in tests of failing disks. */
  readonly wrapFile?: (file: JournalFile) => JournalFile
}

type Task = {
  readonly resolve: () => void
  readonly reject: (fault: Fault) => void
} /** Without a record: what waits for company goes alone. */ & (
  | { readonly kind: 'append'; readonly record?: Uint8Array }
  | { readonly kind: 'compact'; readonly records: readonly Uint8Array[]; readonly replaced: ReadonlySet<Uint8Array> }
)

const FLUSH_BYTES_MAX = 4 << 20
const FLUSH_RECORDS_MAX = 4096
/** What waits for company goes alone after this time, or when there is this much of it. */
const LATER_MS = 1000
const LATER_RECORDS = 256
const LATER_RECORDS_MAX = 4096

/**
 * An append-only file of records, owned by one process (`lockDirectory`).
 *
 * An append that resolved survives a power cut and is replayed in order; all that wait share one flush. One that throws Fault
 * `unavailable` is not in the journal for this process, but may be replayed if the process ends before the next append: record
 * what you would do, not what you did. Damage anywhere but in the last, never acknowledged write makes `open` throw.
 */
export class Journal implements AsyncDisposable {
  readonly #path: string
  readonly #options: JournalOptions
  readonly #recordBytesMax: number
  readonly #tasks: Task[] = []
  /** Records of `appendLater` that no flush has taken yet. */
  #later: Uint8Array[] = []
  #laterTimer: NodeJS.Timeout | undefined
  #file: JournalFile
  #seed: number
  #bytes: number
  #nextFrame: number
  #torn = false
  #nameDurable = true
  #running: Promise<void> | undefined
  #closed = false

  private constructor(path: string, options: JournalOptions, file: JournalFile, at: Position) {
    this.#path = path
    this.#options = options
    this.#recordBytesMax = options.recordBytesMax ?? 1 << 20
    this.#file = file
    this.#seed = at.seed
    this.#bytes = at.bytes
    this.#nextFrame = at.nextFrame
  }

  /** Opens or makes the journal. Throws Fault `internal` when it is damaged, `unavailable` when the disk fails. */
  static async open(path: string, options: JournalOptions = {}): Promise<Journal> {
    try {
      await rm(compactPath(path), { force: true })
      if (!(await exists(path))) await writeFileDurably(path, encodeFileHeader(randomBytes(16)))
      const handle = await open(path, 'r+')
      try {
        const frameBytesMax = FLUSH_BYTES_MAX + 4 + Math.max(options.recordBytesMax ?? 0, 16 << 20)
        const at = await recover(handle, frameBytesMax, options.replay ?? (() => {}))
        await handle.truncate(at.bytes)
        await handle.sync()
        const file = journalFile(handle)
        return new Journal(path, options, options.wrapFile?.(file) ?? file, at)
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (cause) {
      throw storageFault('Opening a journal', cause)
    }
  }

  /** Length of the file: what the owner compares with what a compaction would leave. */
  get bytes(): number {
    return this.#bytes
  }

  /** Resolves when the record is durable. Throws Fault `too_large`, or `unavailable` when disk or journal are full or fail. */
  append(record: Uint8Array): Promise<void> {
    if (record.length > this.#recordBytesMax) return Promise.reject(this.#tooLarge())
    return this.#enqueue((settle) => ({ kind: 'append', record, ...settle }))
  }

  /**
   * Takes a record that need not be durable before what comes next is: it stands in front of the next append, in the same flush, so that
   * one never lasts without the other. When nothing comes it is written by itself within a second; a process that is killed before
   * has lost it. Throws Fault `too_large`, or `unavailable` when the disk has failed for so long that no more can wait.
   */
  appendLater(record: Uint8Array): void {
    if (record.length > this.#recordBytesMax) throw this.#tooLarge()
    if (this.#closed) throw closed()
    if (this.#later.length >= LATER_RECORDS_MAX)
      throw new Fault('unavailable', { message: 'Too many journal records wait for the disk.' })
    this.#later.push(record)
    if (this.#later.length === LATER_RECORDS) this.#flushLater()
    this.#laterTimer ??= setTimeout(() => this.#flushLater(), LATER_MS).unref()
  }

  /** Replaces all that was appended before this call by `records`, whole or not at all. Later appends come after them. */
  compact(records: Iterable<Uint8Array>): Promise<void> {
    const copy = [...records]
    const replaced = new Set(this.#later)
    return this.#enqueue((settle) => ({ kind: 'compact', records: copy, replaced, ...settle }))
  }

  /** Finishes what waits, then closes the file. Later calls throw Fault `unavailable`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    if (this.#later.length > 0) this.#flushLater()
    this.#closed = true
    clearTimeout(this.#laterTimer)
    await this.#running
    await this.#file.close()
  }

  /** What cannot be written now stays, and goes with the next append. */
  #flushLater(): void {
    clearTimeout(this.#laterTimer)
    this.#laterTimer = undefined
    if (!this.#closed && this.#later.length > 0)
      this.#enqueue((settle) => ({ kind: 'append', ...settle })).catch(() => undefined)
  }

  #tooLarge(): Fault {
    return new Fault('too_large', { message: `A journal record is over ${this.#recordBytesMax} bytes.` })
  }

  #enqueue(make: (settle: Pick<Task, 'resolve' | 'reject'>) => Task): Promise<void> {
    if (this.#closed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#tasks.push(make({ resolve, reject }))
      this.#running ??= this.#run()
    })
  }

  /** One write at a time; what arrives meanwhile shares the next flush. */
  async #run(): Promise<void> {
    await Promise.resolve()
    while (this.#tasks.length > 0) {
      const tasks = this.#takeNext()
      try {
        const first = tasks[0]
        if (first?.kind === 'compact') await this.#replace(first)
        else await this.#flush(tasks)
        for (const task of tasks) task.resolve()
      } catch (cause) {
        for (const task of tasks) task.reject(storageFault('Writing a journal', cause))
      }
    }
    this.#running = undefined
  }

  #takeNext(): Task[] {
    if (this.#tasks[0]?.kind === 'compact') return this.#tasks.splice(0, 1)
    let count = 0
    let bytes = 0
    for (const task of this.#tasks) {
      if (task.kind !== 'append' || count === FLUSH_RECORDS_MAX || bytes > FLUSH_BYTES_MAX) break
      bytes += (task.record?.length ?? 0) + 4
      count += 1
    }
    return this.#tasks.splice(0, count)
  }

  async #flush(tasks: readonly Task[]): Promise<void> {
    const later = this.#later.length
    const own = tasks.flatMap((task) => (task.kind === 'append' && task.record !== undefined ? [task.record] : []))
    const records = [...this.#later, ...own]
    // Another flush has taken along what this one was for.
    if (records.length === 0) return
    const frame = encodeFrame(this.#seed, this.#nextFrame, records)
    if (this.#bytes + frame.length > (this.#options.journalBytesMax ?? 1 << 30)) {
      throw new Fault('unavailable', { message: 'A journal is full.' })
    }
    await this.#repair()
    this.#torn = true
    try {
      await this.#file.write(frame, this.#bytes)
      await this.#file.datasync()
    } catch (error) {
      await this.#repair().catch(() => {})
      throw error
    }
    this.#torn = false
    this.#later.splice(0, later)
    this.#bytes += frame.length
    this.#nextFrame += 1
  }

  /** Cuts off what a failed write left, so that the next frame lands on a clean end. While that fails too, nothing is written. */
  async #repair(): Promise<void> {
    if (!this.#nameDurable) {
      await syncDirectory(dirname(this.#path))
      this.#nameDurable = true
    }
    if (!this.#torn) return
    await this.#file.truncate(this.#bytes)
    await this.#file.datasync()
    this.#torn = false
  }

  async #replace({ records, replaced }: Task & { kind: 'compact' }): Promise<void> {
    await this.#rewrite(records)
    this.#later = this.#later.filter((record) => !replaced.has(record))
  }

  async #rewrite(records: readonly Uint8Array[]): Promise<void> {
    const header = encodeFileHeader(randomBytes(16))
    const seed = decodeFileHeader(header) ?? 0
    const chunks = [header, ...chunked(records).map((part, number) => encodeFrame(seed, number, part))]
    const next = await this.#create(chunks)
    try {
      await rename(compactPath(this.#path), this.#path)
    } catch (error) {
      await next.close()
      throw error
    }
    const old = this.#file
    this.#file = next
    this.#seed = seed
    this.#bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#nextFrame = chunks.length - 1
    this.#torn = false
    // Until the new name is durable, a crash could bring the old file back: the next flush does not start before it is.
    this.#nameDurable = false
    await old.close()
    await this.#repair()
  }

  async #create(chunks: readonly Buffer[]): Promise<JournalFile> {
    const handle = await open(compactPath(this.#path), 'w+', 0o600)
    const file = this.#options.wrapFile?.(journalFile(handle)) ?? journalFile(handle)
    try {
      let position = 0
      for (const chunk of chunks) {
        await file.write(chunk, position)
        position += chunk.length
      }
      await file.datasync()
      return file
    } catch (error) {
      await file.close()
      await rm(compactPath(this.#path), { force: true }).catch(() => {})
      throw error
    }
  }
}

function closed(): Fault {
  return new Fault('unavailable', { message: 'The journal is closed.' })
}

interface Position {
  readonly seed: number
  readonly bytes: number
  readonly nextFrame: number
}

function chunked(records: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const record of records) {
    if (bytes > FLUSH_BYTES_MAX || (parts.at(-1)?.length ?? 0) === FLUSH_RECORDS_MAX) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(record)
    bytes += record.length + 4
  }
  return parts
}

function compactPath(path: string): string {
  return `${path}.compact`
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
