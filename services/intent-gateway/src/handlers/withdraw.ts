import type { IntentRecords } from '../adapters/intent-records.ts'
import { isFinal, type LiveRecord } from '../core/intent-record.ts'
import { touchedByRecord } from '../core/touched.ts'
import { closing } from '../core/transitions.ts'
import type { AuthorityView } from '../ports.ts'

export interface WithdrawDeps {
  readonly view: AuthorityView
  readonly records: IntentRecords
  /** Withdrawing waits for nothing that waits for the log. */
  readonly kickNow: (key: string) => void
}

/**
 * After something was revoked: what waits ends `revoked`, and of plans that are out token-issuer claims what is left. Gateways and
 * token-issuer read CONTROL themselves, so nothing depends on this being quick.
 */
export function withdraw(deps: WithdrawDeps): () => Promise<void> {
  return async () => {
    if (deps.view.authority.control.standing.length === 0) return
    for (const { key, record } of [...deps.records.index.entries()]) {
      if (withdrawn(deps.view, record) === undefined) continue
      await deps.records.modify(key, (latest) => {
        const now = withdrawn(deps.view, latest)
        return now === undefined ? latest : closing(latest, 'revoked', now.gateways, now.reason)
      })
      deps.kickNow(key)
    }
  }
}

/** What of an intent a standing revoke names and nobody has stopped yet. */
function withdrawn({ authority }: AuthorityView, record: LiveRecord) {
  if (isFinal(record.state) || record.closing !== undefined) return undefined
  if (record.plans.length === 0) {
    const reason = authority.control.refusalOf(touchedByRecord(record))
    return reason === undefined ? undefined : { reason, gateways: ['none'] }
  }
  const plans = record.plans
    .filter(({ stopped, closed }) => stopped !== true && closed !== true)
    .flatMap((plan) => {
      const reason = authority.control.refusalOf(touchedByRecord(record, plan))
      return reason === undefined ? [] : [{ reason, gateway: plan.gateway_id }]
    })
  const [first] = plans
  return first === undefined ? undefined : { reason: first.reason, gateways: plans.map(({ gateway }) => gateway) }
}
