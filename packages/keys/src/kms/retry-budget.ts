/**
 * How often calls may be tried again, over all calls together: a server in trouble gets a little more traffic than usual, not three times as much.
 * Each retry costs one; each call that succeeds earns a part of one.
 */
export class RetryBudget {
  readonly #max: number
  readonly #earned: number
  #left: number

  constructor({ max, earned }: { readonly max: number; readonly earned: number }) {
    this.#max = max
    this.#earned = earned
    this.#left = max
  }

  /** Whether a retry may be made; then it is paid for. */
  take(): boolean {
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }

  succeeded(): void {
    this.#left = Math.min(this.#max, this.#left + this.#earned)
  }
}
