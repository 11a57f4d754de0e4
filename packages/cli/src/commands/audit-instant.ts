import { InvalidArgumentError } from 'commander'

const SPANS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DAY_MS = 86_400_000
const DATE = /^\d{4}-\d{2}-\d{2}$/
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?$/

/**
 * Where a window begins or ends, in milliseconds since 1970: `2026-11-24`, `2026-11-24T22:00`, with seconds and zone where wanted (UTC without one),
 * or `30m`, `2h`, `7d` ago. A date alone is its midnight; where a window ends, the midnight after it.
 */
export function instantOf(text: string, nowMs: number, end: boolean): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * (SPANS[unit] ?? 0)
  const zoned = /(Z|[+-]\d{2}:\d{2})$/.test(text) && !DATE.test(text)
  const at =
    DATE.test(text) || INSTANT.test(text) ? Date.parse(DATE.test(text) || zoned ? text : `${text}Z`) : Number.NaN
  if (Number.isNaN(at) || !isDay(text.slice(0, 10)))
    throw new InvalidArgumentError('an instant is wanted: 2026-11-24, 2026-11-24T22:00Z, or 30m, 2h, 7d ago.')
  return DATE.test(text) && end ? at + DAY_MS : at
}

/** Whether the calendar has the day: Date.parse takes the 31st of April for the 1st of May. */
function isDay(date: string): boolean {
  return new Date(Date.parse(date)).toISOString().slice(0, 10) === date
}
