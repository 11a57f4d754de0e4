import { describe, expect, test } from 'vitest'
import { instantOf } from './audit-instant.ts'
import { progressText } from './audit-progress.ts'

describe('an instant', () => {
  const now = Date.parse('2026-11-24T22:00:00Z')
  const at = (text: string, end = false) => new Date(instantOf(text, now, end)).toISOString()

  test.each([
    ['yesterday'],
    ['2026-13-01'],
    ['2026-11-24 22:00'],
    ['24.11.2026'],
    [''],
    ['-2h'],
    ['2026-11-24T22:00+99:99'],
  ])('is not guessed from %j', (text) => {
    expect(() => at(text)).toThrow('an instant is wanted')
  })

  test('is UTC unless it says otherwise, or a while ago', () => {
    expect(at('2026-11-24T22:00')).toBe('2026-11-24T22:00:00.000Z')
    expect(at('2026-11-24T22:00:01.5+01:00')).toBe('2026-11-24T21:00:01.500Z')
    expect([at('90s'), at('30m'), at('2h'), at('7d')]).toEqual([
      '2026-11-24T21:58:30.000Z',
      '2026-11-24T21:30:00.000Z',
      '2026-11-24T20:00:00.000Z',
      '2026-11-17T22:00:00.000Z',
    ])
  })

  test('a date begins with its midnight and ends with the next', () => {
    expect([at('2026-11-24'), at('2026-11-24', true)]).toEqual(['2026-11-24T00:00:00.000Z', '2026-11-25T00:00:00.000Z'])
  })
})

test('progress says how many, of how many, how fast and how long yet', () => {
  expect(progressText(12_288, 40_000, 3)).toBe('12,288 of 40,000 entries (30 %), 4,096 a second, about 7 s left')
  expect(progressText(1000, 1_000_000, 1)).toBe('1,000 of 1,000,000 entries (0 %), 1,000 a second, about 17 min left')
  expect(progressText(0, 0, 0)).toBe('0 of 0 entries (100 %), 0 a second')
})
