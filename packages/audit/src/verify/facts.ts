import { hash, randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storageFault } from '@writ/durable'

/** Facts in memory of each of two generations; two generations of long names take about 40 MiB. */
const GENERATION_MAX = 2 ** 17

type Value = number | string

/**
 * What was said under a name, for any number of names in bounded memory: the latest ones in memory, earlier ones in a temporary file without a name. There,
 * names and texts are 96 and 52 bits of a hash under a secret of this process, so nobody can choose two that are alike. Throws Fault `unavailable` where
 * that file cannot be written.
 */
export class Facts {
  readonly #generationMax: number
  readonly #secret = randomBytes(16).toString('base64url')
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()
  /** Oldest first. */
  readonly #tables: FactTable[] = []
  #file: number | undefined
  #fileBytes = 0

  constructor(generationMax: number = GENERATION_MAX) {
    this.#generationMax = generationMax
  }

  /** The last value under a name is the one that counts. */
  set(name: string, value: Value): void {
    this.#young.set(name, value)
    if (this.#young.size >= this.#generationMax) this.#age()
  }

  /** Of numbers under a name the lowest counts: see `lowest`. */
  setLowest(name: string, value: number): void {
    const known = this.#young.get(name)
    this.set(name, typeof known === 'number' ? Math.min(known, value) : value)
  }

  /** The last number under a name. */
  number(name: string): number | undefined {
    const known = this.#young.get(name) ?? this.#old.get(name)
    if (known !== undefined || this.#tables.length === 0) return typeof known === 'number' ? known : undefined
    return this.#stored(name).next().value ?? undefined
  }

  /** Whether the last text under a name is this one; undefined where there is none. */
  isText(name: string, text: string): boolean | undefined {
    const known = this.#young.get(name) ?? this.#old.get(name)
    if (known !== undefined) return known === text
    if (this.#tables.length === 0) return undefined
    const value = this.#stored(name).next().value
    return value === undefined ? undefined : value === this.#print(text)
  }

  /** The lowest number under a name, or one that is not above `enough`. */
  lowest(name: string, enough: number = Number.NEGATIVE_INFINITY): number | undefined {
    const inMemory = [this.#young.get(name), this.#old.get(name)].filter((value) => typeof value === 'number')
    let lowest = Math.min(...inMemory)
    if (lowest > enough && this.#tables.length > 0)
      for (const value of this.#stored(name)) lowest = Math.min(lowest, value)
    return Number.isFinite(lowest) ? lowest : undefined
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
    this.#tables.length = 0
  }

  /** Newest first. */
  *#stored(name: string): Generator<number, undefined> {
    const key = this.#hash(name)
    for (const table of this.#tables.toReversed()) {
      const value = table.get(key)
      if (value !== undefined) yield value
    }
  }

  #age(): void {
    if (this.#old.size > 0) this.#store(this.#old)
    this.#old = this.#young
    this.#young = new Map()
  }

  #store(facts: ReadonlyMap<string, Value>): void {
    const entries = [...facts].map(
      ([name, value]) => [this.#hash(name), typeof value === 'number' ? value : this.#print(value)] as const,
    )
    try {
      this.#file ??= openNameless()
      const table = FactTable.write(this.#file, this.#fileBytes, entries)
      this.#fileBytes += table.bytes
      this.#tables.push(table)
    } catch (cause) {
      throw storageFault(`Writing to the temporary folder ${tmpdir()}`, cause)
    }
  }

  #hash(text: string): Buffer {
    return hash('sha256', `${this.#secret}${text}`, 'buffer')
  }

  /** 52 bits of a text's hash, as a number. */
  #print(text: string): number {
    const bytes = this.#hash(`text ${text}`)
    return bytes.readUInt32LE(0) * 2 ** 20 + (bytes.readUInt32LE(4) & 0xfffff)
  }
}

const KEY_BYTES = 12
const RECORD_BYTES = KEY_BYTES + 8
/** Records that are read at once in looking for one. */
const PROBE = 8

/** A hash table in a file, with half of its places free, and a filter in memory that says of nearly every name that is not there that it is not. */
class FactTable {
  readonly bytes: number
  readonly #file: number
  readonly #at: number
  readonly #slots: number
  readonly #filter: Uint8Array
  readonly #probe = Buffer.alloc(PROBE * RECORD_BYTES)

  private constructor(file: number, at: number, slots: number, filter: Uint8Array) {
    this.#file = file
    this.#at = at
    this.#slots = slots
    this.#filter = filter
    this.bytes = (slots + PROBE) * RECORD_BYTES
  }

  static write(file: number, at: number, entries: readonly (readonly [key: Buffer, value: number])[]): FactTable {
    const slots = 2 ** Math.ceil(Math.log2(2 * entries.length))
    const table = new FactTable(file, at, slots, new Uint8Array(slots))
    const records = Buffer.alloc(table.bytes)
    for (const [key, value] of entries) {
      let slot = key.readUInt32LE(0) % slots
      // An empty place has the key zero, which no hash has but by a chance of 2^-96.
      while (!isEmpty(records, slot * RECORD_BYTES)) slot = (slot + 1) % slots
      key.copy(records, slot * RECORD_BYTES, 0, KEY_BYTES)
      records.writeDoubleLE(value, slot * RECORD_BYTES + KEY_BYTES)
      for (const bit of table.#bits(key)) table.#filter[bit >> 3] = (table.#filter[bit >> 3] ?? 0) | (1 << (bit & 7))
    }
    // The first records once more behind the last: looking for one never has to begin anew.
    records.copy(records, slots * RECORD_BYTES, 0, PROBE * RECORD_BYTES)
    for (let done = 0; done < records.length; ) done += writeSync(file, records, done, records.length - done, at + done)
    return table
  }

  get(key: Buffer): number | undefined {
    if (!this.#bits(key).every((bit) => ((this.#filter[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0)) return undefined
    for (let slot = key.readUInt32LE(0) % this.#slots; ; slot = (slot + PROBE) % this.#slots) {
      readSync(this.#file, this.#probe, 0, this.#probe.length, this.#at + slot * RECORD_BYTES)
      for (let at = 0; at < this.#probe.length; at += RECORD_BYTES) {
        if (isEmpty(this.#probe, at)) return undefined
        if (key.compare(this.#probe, at, at + KEY_BYTES, 0, KEY_BYTES) === 0)
          return this.#probe.readDoubleLE(at + KEY_BYTES)
      }
    }
  }

  /** Three of the filter's bits, eight for each place: one name in 200 that is not there is looked for all the same. */
  #bits(key: Buffer): number[] {
    const bits = this.#filter.length * 8
    return [key.readUInt32LE(0) % bits, key.readUInt32LE(4) % bits, key.readUInt32LE(8) % bits]
  }
}

const isEmpty = (records: Buffer, at: number): boolean =>
  records.readUInt32LE(at) === 0 && records.readUInt32LE(at + 4) === 0 && records.readUInt32LE(at + 8) === 0

/** Removed as soon as it is open: whatever becomes of this process, nothing of it stays. */
function openNameless(): number {
  const dir = mkdtempSync(join(tmpdir(), 'writ-verify-'))
  try {
    return openSync(join(dir, 'facts'), 'wx+', 0o600)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
