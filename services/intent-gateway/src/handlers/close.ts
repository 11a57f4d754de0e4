import { closeRpc, Fault, type Reason } from '@writ/contracts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import { type CloseReason, cancelKey, type LiveRecord, stateKey } from '../core/intent-record.ts'
import { closed } from '../core/transitions.ts'
import type { Ask, Clock } from '../ports.ts'

export interface CloseDeps {
  readonly records: IntentRecords
  readonly ask: Ask
  readonly clock: Clock
}

const EXPIRED: Reason = { code: 'expired', message: 'The plan expired before the step was begun.' }

/**
 * Has token-issuer claim what is left of some gateways' plans, and takes down what that says of each step. It verifies a cancel, and
 * judges a revoke and an expiry, by itself. A cancel or a revoke that it does not see is dropped: the agent's word was no good, or
 * the revoke was lifted. An expiry that it does not see yet is asked for again.
 */
export function close(
  deps: CloseDeps,
): (record: LiveRecord, why: CloseReason, gateways: readonly string[]) => Promise<void> {
  return async (record, why, gateways) => {
    const key = stateKey(record.agent_id, record.intent_id)
    const cancel = why === 'cancelled' ? await deps.records.text(cancelKey(key)) : undefined
    const reply = await deps.ask(closeRpc, {
      intent: await deps.records.intent(key),
      gateways: [...gateways],
      why,
      ...(cancel !== undefined && { cancel }),
    })
    if (reply.ok) {
      const order = {
        why,
        ...(why === 'expired' ? { reason: EXPIRED } : record.closing?.reason && { reason: record.closing.reason }),
      }
      await deps.records.modify(key, (latest) => closed(latest, order, reply.plans, deps.clock.nowSeconds()))
      return
    }
    if (reply.code === 'unavailable' || reply.code === 'internal' || why === 'expired')
      throw new Fault('unavailable', { message: reply.message })
    await deps.records.modify(key, ({ closing: _, ...latest }) => latest)
  }
}
