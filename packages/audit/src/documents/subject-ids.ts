import { createHmac } from 'node:crypto'
import type { WrappingKey } from './wrapping-key.ts'

/**
 * The pseudonyms of a region: `p:` and 22 characters (132 bits) of an HMAC, the same for a user in one region, of no use to who lacks the
 * wrapping key. Throws Fault `unavailable` when that cannot be had.
 */
export async function openPseudonyms(wrapping: WrappingKey, region: string): Promise<(user: string) => string> {
  const key = await wrapping.derive(`pseudonym.${region}`)
  return (user) => `p:${createHmac('sha256', key).update(user).digest('base64url').slice(0, 22)}`
}

/** How records and key ids name a person: `u-` and the 22 characters of the pseudonym. */
export function subjectOf(pseudonym: string): string {
  return `u-${pseudonym.slice(2)}`
}

/** A calendar quarter in UTC: `<year>q<quarter>`. */
export function quarterOf(nowMs: number): string {
  const now = new Date(nowMs)
  return `${now.getUTCFullYear()}q${Math.floor(now.getUTCMonth() / 3) + 1}`
}

/** No key is older: there was no such system. */
const FIRST_YEAR = 2026

/** Every quarter that a key can be of, oldest first, up to the one after this: clocks of replicas differ a little. */
export function quartersUntil(nowMs: number): readonly string[] {
  const now = new Date(nowMs)
  const quarters = (now.getUTCFullYear() - FIRST_YEAR) * 4 + Math.floor(now.getUTCMonth() / 3) + 2
  return Array.from({ length: Math.max(0, quarters) }, (_, n) => `${FIRST_YEAR + Math.floor(n / 4)}q${(n % 4) + 1}`)
}

/** The quarters under whose keys a log of this half-year (`<year>h<1 or 2>`) has documents; the last of the one before was recorded a little late. */
export function quartersOfEpoch(epoch: string): readonly string[] {
  const [, year = '', half = ''] = /^(\d{4})h([12])$/.exec(epoch) ?? []
  if (half === '') return []
  return half === '1' ? [`${Number(year) - 1}q4`, `${year}q1`, `${year}q2`] : [`${year}q2`, `${year}q3`, `${year}q4`]
}

/**
 * The id of a key: `u-<pseudonym>-<quarter>`, and after the person's keys were destroyed n times `u-<pseudonym>-<quarter>-<n>`: no id ever
 * stands for two keys.
 */
export function subjectKeyId(subject: string, quarter: string, erasures: number): string {
  return `${subject}-${quarter}${erasures === 0 ? '' : `-${erasures}`}`
}

const KEY_ID = /^(u-[A-Za-z0-9_-]{22})-\d{4}q[1-4](-\d+)?$/

/** Whose key it is; undefined: it is nobody's, as `records`. */
export function subjectOfKey(kid: string): string | undefined {
  return KEY_ID.exec(kid)?.[1]
}
