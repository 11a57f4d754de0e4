import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { checkRetentionCap, RETENTION_REGIMES, type RetentionRegime, retentionDaysOf } from './retention.ts'

const refused = (reason: RegExp) =>
  expect.objectContaining({ code: 'malformed', message: expect.stringMatching(reason) })

test.each([
  ['eu-ai-act', 190],
  ['one-year', 366],
  ['sec-17a-4', 2284],
] as const)('%s keeps %i days where nothing is said', (regime, days) => {
  expect(retentionDaysOf(regime, undefined)).toBe(days)
})

test('a period of one’s own must be named', () => {
  expect(() => retentionDaysOf('custom', undefined)).toThrow(refused(/must be set/))
  expect(retentionDaysOf('custom', 1)).toBe(1)
})

test.each([
  ['eu-ai-act', 189, /EU AI Act .*at least 190 days/],
  ['one-year', 365, /one year .*at least 366 days/],
  ['sec-17a-4', 2191, /SEC Rule 17a-4\(a\) .*at least 2192 days/],
] as const)('%s refuses %i days, with the reason', (regime, days, reason) => {
  expect(() => retentionDaysOf(regime, days)).toThrow(refused(reason))
  expect(retentionDaysOf(regime, days + 1)).toBe(days + 1)
})

test.each([
  ['eu-ai-act', 'eusc-de-east-1', 1096],
  ['eu-ai-act', 'eu-central-1', 1096],
  ['eu-ai-act', 'us-east-1', 3653],
  ['sec-17a-4', 'eusc-de-east-1', 2557],
  ['custom', 'eusc-de-east-1', 3653],
  ['custom', 'us-east-1', 36_525],
] as const)('%s in %s refuses more than %i days, with the reason', (regime, region, cap) => {
  checkRetentionCap(regime, cap, region)
  expect(() => checkRetentionCap(regime, cap + 1, region)).toThrow(refused(new RegExp(`at most ${cap} days`)))
})

test('every regime’s usual period fits in every region', () => {
  for (const regime of RETENTION_REGIMES.filter((one) => one !== 'custom'))
    for (const region of ['eusc-de-east-1', 'us-east-1'])
      checkRetentionCap(regime, retentionDaysOf(regime, undefined), region)
})

test('the documents have the same table', async () => {
  const text = await readFile(new URL('../../../../docs/retention.md', import.meta.url), 'utf8')
  const rows = [
    ...text.matchAll(/^\| `([a-z0-9-]+)` \| [^|]+ \| ([\d,]+) \| ([\d,]+|named) \| ([\d,]+) \| ([\d,]+) \|/gm),
  ]
  expect(rows.map(([, regime]) => regime)).toEqual(RETENTION_REGIMES)
  for (const [, regime, floor, usual, capEu, cap] of rows) {
    const of = regime as RetentionRegime
    const number = (digits = ''): number => Number(digits.replaceAll(',', ''))
    expect(retentionDaysOf(of, number(floor))).toBe(number(floor))
    expect(() => retentionDaysOf(of, number(floor) - 1)).toThrow()
    if (usual !== 'named') expect(retentionDaysOf(of, undefined)).toBe(number(usual))
    for (const [region, most] of [
      ['eu-central-1', number(capEu)],
      ['us-east-1', number(cap)],
    ] as const) {
      checkRetentionCap(of, most, region)
      expect(() => checkRetentionCap(of, most + 1, region)).toThrow()
    }
  }
})
