import { Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import type { WormStore } from '@writ/worm-store'
import { sealKey, stagingKey } from './log-keys.ts'
import { LogStopped } from './log-stopped.ts'
import { decodeSeal, decodeStaged, encodeSeal, encodeStaged, type Seal, type Staged } from './seal.ts'

/** How long things are kept from the moment they are written. */
export interface Retention {
  /** Everything that is evidence. */
  readonly fullMs: number
  /** What something later replaces: partial tiles and staged batches. */
  readonly shortMs: number
}

export type RetentionClass = 'full' | 'short'

/** One epoch's log in the store, with the records of `seal.ts` read and written in their exact form. */
export class LogFiles {
  readonly origin: string
  readonly store: WormStore
  readonly #retention: Retention
  readonly #now: () => Date

  constructor(origin: string, store: WormStore, retention: Retention, now: () => Date) {
    this.origin = origin
    this.store = store
    this.#retention = retention
    this.#now = now
  }

  /** The same store, another epoch. */
  other(origin: string): LogFiles {
    return new LogFiles(origin, this.store, this.#retention, this.#now)
  }

  until(kind: RetentionClass): Date {
    return new Date(this.#now().getTime() + (kind === 'full' ? this.#retention.fullMs : this.#retention.shortMs))
  }

  /** Writes what has only one right content. Throws LogStopped where the key holds other bytes. */
  async write(key: string, bytes: Uint8Array, kind: RetentionClass): Promise<void> {
    if ((await this.store.put(key, bytes, this.until(kind))) === 'conflict') {
      throw new LogStopped(this.origin, { message: `${key} holds other bytes than its seal says` })
    }
  }

  /** Throws LogStopped where it is missing. */
  async read(key: string): Promise<Uint8Array> {
    const bytes = await this.store.get(key)
    if (bytes === undefined) throw new LogStopped(this.origin, { message: `${key} is missing` })
    return bytes
  }

  async seal(n: number): Promise<Seal | undefined> {
    const bytes = await this.store.get(sealKey(this.origin, n))
    if (bytes === undefined) return undefined
    const seal = this.#decoded(sealKey(this.origin, n), () => decodeSeal(bytes))
    if (seal.n !== n) throw new LogStopped(this.origin, { message: `${sealKey(this.origin, n)} is another seal` })
    return seal
  }

  /** Reserves the seal's number. Returns the seal that has it: this one, or another writer's that came first, whatever the write answered. */
  async reserve(seal: Seal): Promise<Seal> {
    await this.store.put(sealKey(this.origin, seal.n), encodeSeal(seal), this.until('full'))
    const first = await this.seal(seal.n)
    if (first === undefined) throw new Fault('unavailable', { message: 'A seal that was just written cannot be read.' })
    return first
  }

  /** The number of the last seal; 0 where there is none. Numbers have no gaps, so some sixty look-ups find it, however many there are. */
  async lastSeal(): Promise<number> {
    const exists = async (n: number): Promise<boolean> => (await this.store.get(sealKey(this.origin, n))) !== undefined
    let [low, step] = [0, 1]
    for (; await exists(low + step); step *= 2) low += step
    for (; step >= 1; step /= 2) if (await exists(low + step)) low += step
    return low
  }

  /** Writes a batch where a seal can name it, and returns that name. */
  async stage(staged: Staged): Promise<string> {
    const bytes = encodeStaged(staged)
    const digest = sha256(bytes)
    await this.write(stagingKey(this.origin, digest), bytes, 'short')
    return digest
  }

  /** The batch that a seal names. Undefined where it is gone: staged batches are kept for a short time only. */
  async staged({ n, staging }: Seal): Promise<Staged | undefined> {
    const key = stagingKey(this.origin, staging)
    const bytes = await this.store.get(key)
    if (bytes === undefined) return undefined
    if (sha256(bytes) !== staging) throw new LogStopped(this.origin, { message: `${key} is not what its name says` })
    const staged = this.#decoded(key, () => decodeStaged(bytes))
    if (staged.n !== n || staged.origin !== this.origin)
      throw new LogStopped(this.origin, { message: `${key} belongs to another seal` })
    return staged
  }

  #decoded<T>(key: string, decode: () => T): T {
    try {
      return decode()
    } catch (cause) {
      throw new LogStopped(this.origin, { message: `${key} has not the form of its kind`, cause })
    }
  }
}
