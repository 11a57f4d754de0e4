import { Fault } from '@writ/contracts'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Operations } from './operations.ts'

test('counts what is in hand, how long it took and how it failed, by names and codes alone', async () => {
  const registry = new Registry()
  const operations = new Operations(registry)
  let finish: () => void = () => undefined
  const work = operations.time('decide', async (how: string) => {
    if (how === 'wait')
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    if (how === 'refuse') throw new Fault('policy_denied', { message: 'press-07' })
    if (how === 'break') throw new Error('press-07')
    return how
  })
  expect(await registry.metrics()).toContain('writ_operations_in_flight{operation="decide"} 0')
  const waiting = work('wait')
  expect(await registry.metrics()).toContain('writ_operations_in_flight{operation="decide"} 1')
  finish()
  await expect(waiting).resolves.toBe('wait')
  await expect(work('refuse')).rejects.toMatchObject({ code: 'policy_denied' })
  await expect(work('break')).rejects.toThrow()
  const text = await registry.metrics()
  expect(text).toContain('writ_operations_in_flight{operation="decide"} 0')
  expect(text).toContain('writ_operation_duration_seconds_count{operation="decide"} 3')
  expect(text).toContain('writ_operation_failures_total{operation="decide",code="policy_denied"} 1')
  expect(text).toContain('writ_operation_failures_total{operation="decide",code="internal"} 1')
  expect(text).not.toContain('press-07')
})
