import { Fault, TICK_FRESH_MS } from '@writ/contracts'

/**
 * Whether this issuer may act (CONTRACT section 3, DESIGN "Freshness is a write"): only within 3 s of the start of its last
 * acknowledged tick, by the monotonic clock alone. A tick is a write on the condition that nothing newer than what was applied
 * is stored, so its start is an instant at which this issuer knew of every revoke.
 */
export class Freshness {
  readonly #monotonicMs: () => number
  #startedMs: number | undefined

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** A tick that began at `startedMs` was acknowledged. */
  acknowledged(startedMs: number): void {
    if (this.#startedMs === undefined || startedMs > this.#startedMs) this.#startedMs = startedMs
  }

  /** Since the start of the last acknowledged tick; undefined before the first. */
  get ageMs(): number | undefined {
    return this.#startedMs === undefined ? undefined : this.#monotonicMs() - this.#startedMs
  }

  get fresh(): boolean {
    const age = this.ageMs
    return age !== undefined && age < TICK_FRESH_MS
  }

  /** Throws Fault `unavailable`. Whoever grants asks after it has received the request and before it claims or mints. */
  assert(): void {
    if (!this.fresh) {
      throw new Fault('unavailable', { message: 'This issuer cannot be sure that nothing was revoked meanwhile.' })
    }
  }
}
