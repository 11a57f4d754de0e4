/** When the intents of this process began, and ended a stage last, by a clock that only goes on. Bounded: the oldest are forgotten. */
export class StageTimes {
  readonly #nowMs: () => number
  readonly #max: number
  readonly #times = new Map<string, { readonly beganMs: number; lastMs: number }>()

  constructor(nowMs: () => number, max = 50_000) {
    this.#nowMs = nowMs
    this.#max = max
  }

  begin(key: string): void {
    const nowMs = this.#nowMs()
    this.#times.set(key, { beganMs: nowMs, lastMs: nowMs })
    const oldest = this.#times.keys().next().value
    if (this.#times.size > this.#max && oldest !== undefined) this.#times.delete(oldest)
  }

  /** Seconds since the stage before ended; undefined: this process did not see that. */
  lap(key: string): number | undefined {
    const times = this.#times.get(key)
    if (times === undefined) return undefined
    const nowMs = this.#nowMs()
    const seconds = (nowMs - times.lastMs) / 1000
    times.lastMs = nowMs
    return seconds
  }

  /** Seconds since it began; it is forgotten. */
  end(key: string): number | undefined {
    const times = this.#times.get(key)
    this.#times.delete(key)
    return times === undefined ? undefined : (this.#nowMs() - times.beganMs) / 1000
  }
}
