import { checkEnvelope, type Verified } from '@writ/authority'
import { type cancelMessage, Fault, type Reason } from '@writ/contracts'
import { digestOf } from '@writ/keys'
import type { Statuses } from '../adapters/statuses.ts'
import { cancelKey, isDone, isFinal, stateKey } from '../core/intent-record.ts'
import { gatewaysOf } from '../core/routes.ts'
import { closing } from '../core/transitions.ts'
import type { AuthorityView, Clock } from '../ports.ts'
import { type KnownKeyDeps, knownKey } from './known-key.ts'

export interface TakeCancelDeps extends KnownKeyDeps {
  readonly view: AuthorityView
  readonly statuses: Statuses
  readonly clock: Clock
  /** Withdrawing waits for nothing that waits for the log. */
  readonly kickNow: (key: string) => void
}

/** Takes a cancel whose signature is by a key of the agent. Throws the Fault of the first check that fails. */
export type TakeCancel = (agentId: string, cancel: Verified<typeof cancelMessage>) => Promise<void>

const CANCELLED: Reason = { code: 'cancelled', message: 'The agent has cancelled the intent.' }

/**
 * Keeps the exact cancel and marks the intent, so that whoever goes on with it has token-issuer claim what is left: token-issuer
 * verifies the cancel itself. One that comes after the end changes nothing and has the status said again.
 */
export function takeCancel(deps: TakeCancelDeps): TakeCancel {
  return async (agentId, cancel) => {
    const { claims, jws } = cancel
    const key = await knownKey(deps, claims.intent_digest)
    const record = key === undefined ? undefined : await deps.records.read(key)
    const own = record !== undefined && record.digest === claims.intent_digest && record.agent_id === agentId
    const repeated = own && digestOf((await deps.records.text(cancelKey(key ?? ''))) ?? '') === jws.digest
    if (!repeated) checkEnvelope(deps.view.authority, cancel as Verified, deps.clock.nowSeconds())
    if (!own || key === undefined)
      throw new Fault('chain_broken', { message: 'The agent has no intent of this digest that can be cancelled.' })
    const other = await deps.records.read(stateKey(agentId, claims.jti))
    if (other !== undefined) throw new Fault('replayed', { message: 'An intent was published under this jti.' })
    if (!isDone(record) && !isFinal(record.state)) {
      if (record.closing === undefined) await deps.records.replace(cancelKey(key), jws.compact)
      await deps.records.modify(key, (latest) => {
        const gateways = gatewaysOf(latest.plans.length > 0 ? latest.plans : latest.steps)
        return closing(latest, 'cancelled', gateways, CANCELLED)
      })
      deps.kickNow(key)
    } else await deps.statuses.sayAnew(record)
  }
}
