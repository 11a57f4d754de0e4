import type { Clock } from './clock.ts'

export interface SenderOptions {
  /** Resolves when the flushed stream has acknowledged the message. Any rejection means: not known to be stored. */
  readonly publish: (subject: string, bytes: Uint8Array) => Promise<void>
  readonly clock: Clock
  readonly report: (problem: string, cause: unknown) => void
}

const BACKOFF_MS_MIN = 100
const BACKOFF_MS_MAX = 5000

/** Sends one message at a time until it is acknowledged, so that a stream has messages in the order in which they were given. */
export class Sender {
  readonly #options: SenderOptions
  #away = false
  #stopped = false
  #wake: (() => void) | undefined

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** The last attempt failed. */
  get away(): boolean {
    return this.#away
  }

  /** Resolves true when acknowledged, false when it became needless or the sender was stopped. */
  async send(subject: string, bytes: Uint8Array, needless: () => boolean): Promise<boolean> {
    for (let delayMs = BACKOFF_MS_MIN; !this.#stopped && !needless(); delayMs = Math.min(delayMs * 2, BACKOFF_MS_MAX)) {
      try {
        await this.#options.publish(subject, bytes)
        this.#away = false
        return true
      } catch (cause) {
        if (!this.#away) this.#options.report('An audit message could not be published; it is sent again.', cause)
        this.#away = true
        if (!this.#stopped) await this.#pause(delayMs)
      }
    }
    return false
  }

  /** Cuts a pause short: something became needless, or the bus is back. */
  nudge(): void {
    this.#wake?.()
  }

  stop(): void {
    this.#stopped = true
    this.nudge()
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}
