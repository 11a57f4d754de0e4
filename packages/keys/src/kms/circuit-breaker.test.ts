import { beforeEach, expect, test } from 'vitest'
import { CircuitBreaker, type CircuitState, type Pass } from './circuit-breaker.ts'
import { RetryBudget } from './retry-budget.ts'

let now: number
let states: CircuitState[]
let breaker: CircuitBreaker
beforeEach(() => {
  now = 1000
  states = []
  const changed = (state: CircuitState): void => void states.push(state)
  breaker = new CircuitBreaker({ failuresMax: 3, openMs: 100, openMsMax: 300, nowMs: () => now, changed })
})
const enter = (): Pass => breaker.enter() ?? expect.unreachable('may not call')
const fail = (times: number): void => {
  for (let n = 0; n < times; n++) enter().failed()
}

test('opens after failures in a row, and not when a success lies between', () => {
  fail(2)
  enter().succeeded()
  fail(2)
  expect(breaker.state).toBe('closed')
  fail(1)
  expect(breaker.state).toBe('open')
  expect(breaker.enter()).toBeUndefined()
  expect(breaker.waitMs).toBe(100)
})

test('lets one try after a while, and nobody beside that one', () => {
  fail(3)
  now += 99
  expect(breaker.enter()).toBeUndefined()
  now += 1
  const trial = enter()
  expect(breaker.state).toBe('half-open')
  expect(breaker.enter()).toBeUndefined()
  trial.succeeded()
  expect(states).toEqual(['open', 'half-open', 'closed'])
  fail(2)
  expect(breaker.state, 'failures of before are forgotten').toBe('closed')
})

test('waits twice as long after each trial that fails, up to a limit, and as before after one that succeeds', () => {
  fail(3)
  for (const wait of [100, 200, 300, 300]) {
    expect(breaker.waitMs).toBe(wait)
    now += wait
    enter().failed()
  }
  now += 300
  enter().succeeded()
  fail(3)
  expect(breaker.waitMs).toBe(100)
})

test('what began before it opened decides nothing afterwards', () => {
  const [early, late] = [enter(), enter()]
  fail(3)
  early.succeeded()
  expect(breaker.state).toBe('open')
  now += 100
  const trial = enter()
  late.failed()
  expect(breaker.state).toBe('half-open')
  trial.succeeded()
  expect(breaker.state).toBe('closed')
})

test('a budget of retries runs out under failures, and successes fill it slowly', () => {
  const budget = new RetryBudget({ max: 2, earned: 0.5 })
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false])
  budget.succeeded()
  expect(budget.take()).toBe(false)
  budget.succeeded()
  expect([budget.take(), budget.take()]).toEqual([true, false])
  for (let n = 0; n < 100; n++) budget.succeeded()
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false])
})
