import { expect, test } from 'vitest'
import { PROCESSES, schedule, WARM } from './schedule.ts'

test('a seed is a schedule, and another seed another', () => {
  expect(schedule(5, 500)).toEqual(schedule(5, 500))
  expect(schedule(5, 500)).not.toEqual(schedule(6, 500))
})

test('each process is killed, stopped, cut off and stalled once; what the bus and Redis lose is lost once', () => {
  const { faults } = schedule(5, 500)
  const done = faults.map(({ kind, process }) => `${kind} ${process}`)
  const each = PROCESSES.flatMap((process) => ['kill', 'stop', 'cut', 'stall'].map((kind) => `${kind} ${process}`))
  const others = ['power-cut everything', 'lose nats-server', 'empty redis-server', 'roll-back redis-server']
  expect(done.toSorted()).toEqual([...each, ...others].toSorted())
})

test.each([
  [500, false],
  [200, false],
  [80, true],
])('of %i intents, short %s: faults come one after another, after the first intents', (count, short) => {
  for (let seed = 0; seed < 50; seed++) {
    const at = schedule(seed, count, short).faults.map(({ after }) => after)
    expect(at).toEqual([...new Set(at)].toSorted((a, b) => a - b))
    expect(at[0]).toBeGreaterThanOrEqual(WARM)
  }
})
