import type { NewEvent } from '@writ/audit'
import { ephemeralSigner } from '@writ/keys'
import { expect, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { deferred } from '../core/deferred.ts'
import { silentLog } from '../log.ts'
import { GatewayAudit } from './gateway-audit.ts'
import { OutcomeBook } from './outcome-book.ts'

const facts = {
  plan_id: 'p1',
  plan_digest: 'P'.repeat(43),
  intent_digest: 'I'.repeat(43),
  agent_id: 'a1',
  token_id: 't1',
  action: 'restart',
  exp: 2_000_000_000,
  max_uses: 1,
  steps: [{ step_id: 's0', device_id: 'd1' }],
}
const ref = { facts, step: { step_id: 's0', device_id: 'd1' }, use: 1 }

function book(keep: (events: readonly NewEvent[]) => Promise<void>) {
  const order: string[] = []
  const made = new OutcomeBook({
    gatewayId: 'g1',
    audience: 'writ:r',
    signer: ephemeralSigner(),
    clock: systemClock,
    journal: { started: async () => undefined, ended: async () => void order.push('journal') },
    sender: {
      send: async ({ state }) => void order.push(`sent ${state}`),
    },
    audit: new GatewayAudit({ keep, keepHappened: keep, record: keep }, 'g1', silentLog),
  })
  return { book: made, order }
}

test('G5: an outcome is in the journal, and its audit event on the disk, before anybody hears of it', async () => {
  const disk = deferred<void>()
  const { book: outcomes, order } = book(async ([event]) => {
    order.push(`audit ${event?.type}`)
    await disk.promise
  })
  const ended = outcomes.end(ref, { state: 'succeeded' })
  await expect.poll(() => order).toEqual(['journal', 'audit action.succeeded'])
  disk.resolve()
  await ended
  expect(order).toEqual(['journal', 'audit action.succeeded', 'sent succeeded'])
})

test('an outcome that no audit event has room for is sent all the same: it has happened', async () => {
  const { book: outcomes, order } = book(() => {
    throw new Error('no room')
  })
  await outcomes.end(ref, { state: 'failed', reason: { code: 'action_failed', message: 'x' } })
  expect(order).toEqual(['journal', 'sent failed'])
})
