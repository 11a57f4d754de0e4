import { expect, test } from 'vitest'
import { quarterOf, quartersOfEpoch, quartersUntil, subjectKeyId, subjectOf, subjectOfKey } from './subject-ids.ts'

const subject = subjectOf('p:AbC-_123456789012345-_')

test('an id names a person’s key of a quarter, another one after each erasure, and leads back to the person alone', () => {
  expect(subject).toBe('u-AbC-_123456789012345-_')
  expect([0, 1, 12].map((erasures) => subjectKeyId(subject, '2026q4', erasures))).toEqual([
    `${subject}-2026q4`,
    `${subject}-2026q4-1`,
    `${subject}-2026q4-12`,
  ])
  for (const erasures of [0, 1, 12]) expect(subjectOfKey(subjectKeyId(subject, '2026q4', erasures))).toBe(subject)
  for (const kid of [
    'records',
    'derivation',
    subject,
    `${subject}-2026q5`,
    `x${subject}-2026q4`,
    `${subject}-2026q4-x`,
  ])
    expect(subjectOfKey(kid)).toBeUndefined()
})

test('quarters are the calendar’s in UTC, every one from the first to the next', () => {
  expect(quarterOf(Date.UTC(2026, 11, 31, 23, 59, 59, 999))).toBe('2026q4')
  expect(quarterOf(Date.UTC(2027, 0, 1))).toBe('2027q1')
  expect(quartersUntil(Date.UTC(2026, 11, 31))).toEqual(['2026q1', '2026q2', '2026q3', '2026q4', '2027q1'])
  for (let month = 0; month < 60; month++) {
    const now = Date.UTC(2026, month, 15)
    expect(quartersUntil(now).at(-2)).toBe(quarterOf(now))
    expect(quartersUntil(now).at(-1)).toBe(quarterOf(Date.UTC(2026, month + 3, 15)))
  }
})

test('a held half-year keeps its quarters and the one before, whose last documents entered it', () => {
  expect(quartersOfEpoch('2027h1')).toEqual(['2026q4', '2027q1', '2027q2'])
  expect(quartersOfEpoch('2026h2')).toEqual(['2026q2', '2026q3', '2026q4'])
  expect(quartersOfEpoch('2026')).toEqual([])
})
