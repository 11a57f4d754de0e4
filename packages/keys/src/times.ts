import { CLOCK_AHEAD_SECONDS_MAX, Fault, type Message } from '@writ/contracts'

/** Throws Fault `wrong_audience`. */
export function checkAudience(claims: { readonly aud: string }, audience: string): void {
  if (claims.aud !== audience) throw new Fault('wrong_audience', { message: 'The message is for another audience.' })
}

/**
 * `iat` ahead, `exp` past, lifetime, in the order of CONTRACT section 6, at the instant `atSeconds` that section 5 names.
 * Nothing is added to `exp`. Throws Fault `not_yet_valid`, `expired`, `lifetime_too_long`.
 */
export function checkTimes(
  claims: { readonly iat: number; readonly exp?: number | undefined },
  atSeconds: number,
  message?: Pick<Message, 'lifetimeSecondsMax'>,
): void {
  if (claims.iat > atSeconds + CLOCK_AHEAD_SECONDS_MAX)
    throw new Fault('not_yet_valid', { message: 'The message is issued in the future.' })
  if (claims.exp === undefined) return
  if (atSeconds >= claims.exp) throw new Fault('expired', { message: 'The message has expired.' })
  const max = message?.lifetimeSecondsMax
  if (max !== undefined && claims.exp - claims.iat > max) {
    throw new Fault('lifetime_too_long', { message: `The message lives longer than ${max} s.` })
  }
}
