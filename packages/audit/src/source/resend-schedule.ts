import type { Clock } from './clock.ts'

const FIRST_MS = 60_000
const LONGEST_MS = 3_600_000

/** When to send uncovered messages again: after 60 s, then at doubled intervals up to 1 h, from the start after each progress. */
export class ResendSchedule {
  readonly #clock: Clock
  readonly #resend: () => void
  #intervalMs = FIRST_MS
  #cancel: (() => void) | undefined

  constructor(clock: Clock, resend: () => void) {
    this.#clock = clock
    this.#resend = resend
  }

  /** Something is uncovered. Does nothing when a resend is due already. */
  start(): void {
    this.#cancel ??= this.#clock.after(this.#intervalMs, () => {
      this.#cancel = undefined
      this.#intervalMs = Math.min(this.#intervalMs * 2, LONGEST_MS)
      this.#resend()
    })
  }

  /** The log covered something: what is left, if anything, starts anew. */
  progress(left: boolean): void {
    this.stop()
    this.#intervalMs = FIRST_MS
    if (left) this.start()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
