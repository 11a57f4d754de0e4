/** The two clocks a gateway lives by. */
export interface Clock {
  /** Unix milliseconds, for what is written down and compared with other machines. */
  nowMs(): number
  /** Milliseconds that never jump, for how long something took: the time left to begin a step. */
  monotonicMs(): number
}

export const systemClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }

export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.nowMs() / 1000)
}
