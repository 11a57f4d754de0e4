import type { Status } from '@writ/contracts'
import { type IntentRecord, isDone } from './intent-record.ts'

/** What a status message says of a record, without who says it and when. */
export type StatusBody = Omit<Status, 'iss' | 'aud' | 'iat'>

export function statusBody(record: IntentRecord): StatusBody {
  const { intent_id, digest, n, state, reasons } = record
  const plans = record.plans
    .filter((plan) => isDone(record) || ('out' in plan && plan.out === true))
    .map(({ plan_id, plan_digest, gateway_id }) => ({ plan_id, plan_digest, gateway_id }))
  return {
    intent_id,
    intent_digest: digest,
    n,
    state,
    reasons: [...reasons],
    steps: record.steps.map(({ step_id, device_id, gateway_id, state, reason, outcome_digest }) => ({
      step_id,
      device_id,
      gateway_id,
      state,
      ...(reason !== undefined && { reason }),
      ...(outcome_digest !== undefined && { outcome_digest }),
    })),
    ...(!isDone(record) && record.state === 'needs_approval' && record.approval && { approval: record.approval }),
    ...(!isDone(record) &&
      record.state === 'needs_attestation' &&
      record.attestation && { attestation: record.attestation }),
    ...(plans.length > 0 && { plans }),
  }
}

/** Whether somebody who follows the intent sees a difference. */
export function sameStatus(a: IntentRecord, b: IntentRecord): boolean {
  return JSON.stringify({ ...statusBody(a), n: 0 }) === JSON.stringify({ ...statusBody(b), n: 0 })
}

/** Where a refused intent's status is found: `rejected-<first 16 of its digest>`. */
export function rejectedId(digest: string): string {
  return `rejected-${digest.slice(0, 16)}`
}
