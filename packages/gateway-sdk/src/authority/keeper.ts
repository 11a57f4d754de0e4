import { Fault, reasonOf } from '@writ/contracts'
import { deferred } from '../core/deferred.ts'
import type { Log } from '../log.ts'
import type { Guard } from './guard.ts'

export interface KeeperOptions {
  readonly guard: Guard
  /** After everything new was applied. */
  readonly onApplied: () => void
  readonly log: Log
}

const POLL_MS = 5000
const RETRY_MS = 500

/** Keeps a gateway up to date with CONTROL: woken by what is announced, and by itself, since an announcement can be missed. */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #ready = deferred<void>()
  #timer: NodeJS.Timeout | undefined
  #reading = false
  #again = false
  #stopped = false
  #trouble: string | undefined = 'SIGNERS and CONTROL have not been read yet.'
  #seq = -1

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#ready.promise.catch(() => undefined)
  }

  /** Resolves when everything has been read to its end for the first time. Rejects when it is stopped before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Why nothing may begin; undefined: it may, as far as was seen last. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** Reads now, or once more after the reading that is under way. */
  wake(): void {
    this.#again = true
    if (!this.#reading && !this.#stopped) void this.#read()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#ready.reject(new Fault('unavailable', { message: 'The gateway was stopped before it was ready.' }))
  }

  async #read(): Promise<void> {
    this.#reading = true
    while (this.#again && !this.#stopped) {
      this.#again = false
      await this.#once()
    }
    this.#reading = false
    clearTimeout(this.#timer)
    if (!this.#stopped) this.#timer = setTimeout(() => this.wake(), this.#trouble === undefined ? POLL_MS : RETRY_MS)
  }

  async #once(): Promise<void> {
    const { guard, onApplied, log } = this.#options
    try {
      await guard.refresh()
      if (this.#trouble !== undefined)
        log.info({ control: guard.authority.control.position }, 'CONTROL is read to its end.')
      this.#trouble = undefined
      this.#ready.resolve()
      const { seq } = guard.authority.control
      if (seq !== this.#seq) onApplied()
      this.#seq = seq
    } catch (error) {
      const { message } = reasonOf(error)
      if (this.#trouble !== message) log.error({ err: error }, 'Nothing begins: CONTROL or SIGNERS cannot be read.')
      this.#trouble = message
    }
  }
}
