import type { Touched } from '@writ/authority'
import type { LiveRecord, PlanRecord } from './intent-record.ts'

/** On whose behalf it is, where that is kept, and who approved it. */
export function peopleOf({ user, approvals }: LiveRecord): readonly string[] {
  return [...(user === undefined ? [] : [user]), ...approvals.map((approval) => approval.user)]
}

/** What an intent touches: a standing revoke of any of it stops it. With `plan`: what its part at one gateway touches. */
export function touchedByRecord(record: LiveRecord, plan?: PlanRecord): Touched {
  const steps =
    plan === undefined ? record.steps : record.steps.filter(({ gateway_id }) => gateway_id === plan.gateway_id)
  const distinct = (values: readonly string[]): string[] => [...new Set(values)]
  return {
    agent: record.agent_id,
    users: distinct(peopleOf(record)),
    devices: distinct(steps.map(({ device_id }) => device_id)),
    groups: distinct(steps.map(({ group }) => group)),
    gateways: distinct(steps.map(({ gateway_id }) => gateway_id)),
    intent: record.digest,
    keys: [record.kid],
    ...(plan !== undefined && { token: plan.token_id }),
  }
}
