import { type AuditMessage, CLOCK_AHEAD_SECONDS_MAX } from '@writ/contracts'

/** What a message says of time. */
export interface MessageTimes {
  /** NumericDate at which it was signed. */
  readonly iat: number
  /** Milliseconds since 1970 of its first event and of its last. */
  readonly firstMs: number
  readonly lastMs: number
}

/** How far a source's time may go back from one message to the next, and from one event to the next: what a clock is set right by. */
export const CLOCK_BACK_SECONDS_MAX: number = CLOCK_AHEAD_SECONDS_MAX

const BACK_MS_MAX = CLOCK_BACK_SECONDS_MAX * 1000

/** Times of a message, and why they cannot be right by themselves: an event before an earlier one, or after the signature. */
export function timesOf({ iat, events }: Pick<AuditMessage, 'iat' | 'events'>): {
  readonly times: MessageTimes
  readonly regressed?: string
} {
  const all = events.map(({ timestamp }) => Date.parse(timestamp))
  const [firstMs = iat * 1000, lastMs = firstMs] = [all[0], all.at(-1)]
  const times = { iat, firstMs, lastMs }
  const back = all.findIndex((ms, at) => ms < (all[at - 1] ?? ms) - BACK_MS_MAX)
  if (back > 0) return { times, regressed: `event ${back} of it happened before event ${back - 1}` }
  // `iat` is in whole seconds, rounded down.
  const late = all.findIndex((ms) => ms >= (iat + 1) * 1000 + BACK_MS_MAX)
  return late < 0 ? { times } : { times, regressed: `event ${late} of it happened after it was signed` }
}

/** Why a message cannot follow the one before it in its source's chain, if it cannot. */
export function regressed(before: MessageTimes, after: MessageTimes): string | undefined {
  const seconds = before.iat - after.iat
  if (seconds > CLOCK_BACK_SECONDS_MAX) return `it was signed ${seconds} s before the one that it follows`
  const ms = before.lastMs - after.firstMs
  return ms > BACK_MS_MAX
    ? `its first event is ${Math.round(ms / 1000)} s before the last of the one that it follows`
    : undefined
}
