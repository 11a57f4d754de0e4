import { CLOCK_AHEAD_SECONDS_MAX } from '@writ/contracts'

/** When a checkpoint was signed, by the clock of the log's own cosigner. */
export interface SignedTime {
  readonly size: number
  readonly timeSeconds: number
  /** The object that says so. */
  readonly object: string
}

export interface ClockRegression {
  readonly earlier: SignedTime
  /** Larger, and signed at an earlier time. */
  readonly later: SignedTime
}

/**
 * Where signed times go backwards: a larger tree that was signed before a smaller one, by more than two clocks that are right may differ. Takes them in the
 * order of their sizes. That clocks agree says nothing about whether they were right.
 */
export class SignedTimes {
  #latest: SignedTime | undefined

  /** The latest time so far. */
  get latest(): SignedTime | undefined {
    return this.#latest
  }

  add(signed: SignedTime): ClockRegression | undefined {
    const earlier = this.#latest
    if (earlier === undefined || signed.timeSeconds >= earlier.timeSeconds) {
      this.#latest = signed
      return undefined
    }
    const behind = earlier.timeSeconds - signed.timeSeconds > CLOCK_AHEAD_SECONDS_MAX
    return behind && signed.size > earlier.size ? { earlier, later: signed } : undefined
  }
}
