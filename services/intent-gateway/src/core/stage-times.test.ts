import { expect, test } from 'vitest'
import { StageTimes } from './stage-times.ts'

test('each stage is timed from the end of the one before, and the whole from the beginning', () => {
  let nowMs = 1000
  const times = new StageTimes(() => nowMs)
  times.begin('a.1')
  nowMs += 500
  expect(times.lap('a.1')).toBe(0.5)
  nowMs += 250
  expect(times.lap('a.1')).toBe(0.25)
  expect(times.end('a.1')).toBe(0.75)
  expect([times.lap('a.1'), times.end('a.1')]).toEqual([undefined, undefined])
})

test('what another replica began is not timed, and the oldest of too many is forgotten', () => {
  const times = new StageTimes(() => 0, 2)
  expect(times.lap('a.0')).toBeUndefined()
  for (const key of ['a.1', 'a.2', 'a.3']) times.begin(key)
  expect(['a.1', 'a.2', 'a.3'].map((key) => times.lap(key))).toEqual([undefined, 0, 0])
})
