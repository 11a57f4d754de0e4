export type CircuitState = 'closed' | 'open' | 'half-open'

export interface CircuitBreakerOptions {
  /** This many failures in a row open it. */
  readonly failuresMax: number
  /** How long it stays open at first. Doubled by each trial that fails, up to `openMsMax`. */
  readonly openMs: number
  readonly openMsMax: number
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number
  readonly changed?: (state: CircuitState) => void
}

/** Leave to make one call; its end is to be told once. */
export interface Pass {
  succeeded(): void
  failed(): void
}

/**
 * Keeps calls from a server that fails, so that callers fail at once instead of each waiting for its own timeout. Closed: all may call. Open: none.
 * Half-open, after a while: one may try, and its end decides. What ends after the state has changed decides nothing.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  #state: CircuitState = 'closed'
  #failures = 0
  #openMs: number
  #openUntilMs = 0
  #generation = 0

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#openMs = options.openMs
  }

  get state(): CircuitState {
    return this.#state
  }

  /** How long nobody may call; 0 where somebody may, or is trying. */
  get waitMs(): number {
    return this.#state === 'open' ? Math.max(0, this.#openUntilMs - this.#options.nowMs()) : 0
  }

  /** Undefined: do not call. */
  enter(): Pass | undefined {
    if (this.#state === 'half-open' || this.waitMs > 0) return undefined
    if (this.#state === 'open') this.#become('half-open')
    const generation = this.#generation
    const ifCurrent = (act: () => void) => () => {
      if (generation === this.#generation) act()
    }
    return { succeeded: ifCurrent(() => this.#succeeded()), failed: ifCurrent(() => this.#failed()) }
  }

  #succeeded(): void {
    this.#failures = 0
    if (this.#state === 'closed') return
    this.#openMs = this.#options.openMs
    this.#become('closed')
  }

  #failed(): void {
    this.#failures += 1
    if (this.#state === 'closed' && this.#failures < this.#options.failuresMax) return
    if (this.#state === 'half-open') this.#openMs = Math.min(this.#openMs * 2, this.#options.openMsMax)
    this.#failures = 0
    this.#openUntilMs = this.#options.nowMs() + this.#openMs
    this.#become('open')
  }

  #become(state: CircuitState): void {
    this.#state = state
    this.#generation += 1
    this.#options.changed?.(state)
  }
}
