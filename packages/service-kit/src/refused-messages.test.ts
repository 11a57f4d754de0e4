import type { NewEvent } from '@writ/audit'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { RefusedMessages } from './refused-messages.ts'

function counting(room = true) {
  const events: NewEvent[] = []
  const state = { room }
  const metrics = new Registry()
  const record = (batch: readonly NewEvent[]) => {
    if (!state.room) throw new Error('no room')
    events.push(...batch)
  }
  return { events, state, metrics, refused: new RefusedMessages({ record, metrics, intervalMs: 1e6 }) }
}
const total = (events: readonly NewEvent[]) => events.reduce((sum, { detail }) => sum + Number(detail?.['count']), 0)

test('a flood under a million ids costs a bounded number of events, and every message is counted', async () => {
  const { events, refused, metrics } = counting()
  for (let n = 0; n < 100_000; n++) refused.count(`id-${n}`, 'bad_signature')
  for (let n = 0; n < 10; n++) refused.flush()
  expect(events.length).toBeLessThan(300)
  expect(total(events)).toBe(100_000)
  expect(await metrics.metrics()).toContain('writ_messages_refused_total{code="bad_signature"} 100000')
  await refused[Symbol.asyncDispose]()
})

test('nothing of what a stranger wrote is repeated', async () => {
  const { events, refused } = counting()
  for (const id of ['', 'a b', '*', '>', 'x'.repeat(65), '\u001b[2J', '_others']) refused.count(id, 'malformed')
  await refused[Symbol.asyncDispose]()
  expect(events.map(({ detail }) => detail)).toEqual([{ id: '_others', count: 7 }])
})

test('while there is no room for the record the counts wait', async () => {
  const { events, refused, state } = counting(false)
  refused.count('a', 'malformed')
  refused.flush()
  refused.count('a', 'malformed')
  state.room = true
  await refused[Symbol.asyncDispose]()
  expect(events.map(({ detail }) => detail)).toEqual([{ id: 'a', count: 2 }])
})
