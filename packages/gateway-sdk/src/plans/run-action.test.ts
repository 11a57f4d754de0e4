import { describe, expect, test } from 'vitest'
import type { ActionContext, ActionHandler } from '../action.ts'
import { runAction } from './run-action.ts'

const context = { deadlineToBegin: 0 } as Omit<ActionContext, 'signal'>
const limits = { maxRunMs: 10_000, graceMs: 50, redact: [] }
const REVOKED = { code: 'revoked', message: 'An operator has revoked it.' } as const
const obedient: ActionHandler = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('an action', () => {
  test('has been called when the function returns: nothing can come between check and effect', () => {
    let called = false
    runAction(
      () => {
        called = true
        return undefined
      },
      context,
      limits,
    )
    expect(called).toBe(true)
  })

  test('that stops for a revoke is aborted with its code, the first one', async () => {
    const { ended, stop } = runAction(obedient, context, limits)
    stop(REVOKED)
    stop({ code: 'interrupted', message: 'later' })
    expect(await ended).toMatchObject({ state: 'aborted', reason: REVOKED })
  })

  test('that was told to stop and did its work all the same has succeeded', async () => {
    const { ended, stop } = runAction(async () => ({ done: true }), context, limits)
    stop(REVOKED)
    expect(await ended).toMatchObject({ state: 'succeeded', result: { result: { done: true } } })
  })

  test('that runs too long has failed, whether it listens or not; the device is free when it returns', async () => {
    let release: () => void = () => undefined
    const deaf: ActionHandler = () =>
      new Promise((resolve) => {
        release = () => resolve({ late: true })
      })
    for (const handler of [obedient, deaf]) {
      const { ended } = runAction(handler, context, { ...limits, maxRunMs: 20 })
      expect(await ended).toMatchObject({ state: 'failed', reason: { code: 'timed_out' } })
    }
    const { ended, settled } = runAction(deaf, context, { ...limits, maxRunMs: 20 })
    let free = false
    const freed = settled.then(() => {
      free = true
    })
    await ended
    expect(free).toBe(false)
    release()
    await freed
  })

  test('that throws at once has failed', async () => {
    const { ended } = runAction(
      () => {
        throw new Error('no')
      },
      context,
      limits,
    )
    expect(await ended).toMatchObject({ state: 'failed', reason: { code: 'action_failed' } })
  })
})
