import { DECIDE_AFTER_WAIT_SECONDS, type Decision, type Intent, type Reason } from '@writ/contracts'
import { stateOfSteps } from './final-state.ts'
import type { ApprovalRecord, CloseReason, LiveRecord, PlanRecord, StepRecord } from './intent-record.ts'
import { isFinal } from './intent-record.ts'
import { sameStatus } from './status.ts'

/** The record after a change: `n` rises by one if whoever follows the intent sees a difference. */
function changed(before: LiveRecord, next: LiveRecord): LiveRecord {
  return sameStatus(before, next) ? next : { ...next, n: before.n + 1 }
}

function without<K extends 'approval' | 'attestation' | 'closing'>(record: LiveRecord, ...names: K[]): LiveRecord {
  const copy = { ...record }
  for (const name of names) delete copy[name]
  return copy
}

export interface RoutedStep {
  readonly step_id: string
  readonly device_id: string
  readonly gateway_id: string
  readonly group: string
}

/** The first record of an intent: `accepted`, or at once `denied` for `reason`. */
export function accepted(
  intent: Intent,
  signed: { readonly digest: string; readonly kid: string },
  steps: readonly RoutedStep[],
  nowSeconds: number,
  reason?: Reason,
): LiveRecord {
  return {
    v: 1,
    digest: signed.digest,
    agent_id: intent.iss,
    intent_id: intent.jti,
    user: intent.on_behalf_of,
    action: intent.action,
    kid: signed.kid,
    exp: intent.exp,
    accepted_at: nowSeconds,
    decide_until: intent.exp,
    state: reason === undefined ? 'accepted' : 'denied',
    n: 1,
    reasons: reason === undefined ? [] : [reason],
    steps: steps.map((step) => ({ ...step, state: reason === undefined ? 'waiting' : 'refused' })),
    plans: [],
    decisions: { count: 0 },
    approvals: [],
    attested: false,
    max_uses: 1,
  }
}

/** What is kept of an intent that another jurisdiction decides. */
export function withoutUser({ user: _, ...rest }: LiveRecord): LiveRecord {
  return rest
}

/** Takes note of a decision under `….decision.<n>`; it becomes the first if there was none. */
export function decided(
  record: LiveRecord,
  n: number,
  first: NonNullable<LiveRecord['decisions']['first']>,
): LiveRecord {
  const { decisions } = record
  return {
    ...record,
    decisions: { ...decisions, count: Math.max(decisions.count, n), first: decisions.first ?? first },
  }
}

/** Ends it before anything of it could begin. Nothing changes where plans are recorded: then its steps say how it ends. */
export function ended(record: LiveRecord, state: CloseReason | 'denied', reasons: readonly Reason[]): LiveRecord {
  if (isFinal(record.state) || record.plans.length > 0) return record
  const steps = record.steps.map((step) => ({ ...step, state: state === 'denied' ? ('refused' as const) : state }))
  return changed(record, { ...without(record, 'closing'), state, reasons: [...reasons], steps })
}

/** Waits for approvals of the decision `n`, which is shown to the approvers. Earlier approvals were of another one. */
export function waitsForApproval(
  record: LiveRecord,
  shown: { readonly n: number; readonly digest: string; readonly decision: Decision },
  needs: { readonly count: number; readonly roles: readonly string[] },
): LiveRecord {
  const approvals = record.approvals.filter(({ decision_digest }) => decision_digest === shown.digest)
  return changed(record, {
    ...record,
    state: 'needs_approval',
    reasons: shown.decision.reasons,
    approvals,
    decisions: { ...record.decisions, shown: { n: shown.n, digest: shown.digest } },
    approval: {
      needed: needs.count,
      given: new Set(approvals.map(({ user }) => user)).size,
      roles: [...needs.roles],
      expires: shown.decision.exp,
    },
  })
}

export function waitsForAttestation(
  record: LiveRecord,
  decision: Decision,
  demand: { readonly profile: string; readonly max_age_s: number },
): LiveRecord {
  return changed(record, {
    ...record,
    state: 'needs_attestation',
    reasons: decision.reasons,
    attested: true,
    attestation: { profile: demand.profile, max_age_s: demand.max_age_s, expires: decision.exp },
  })
}

/** An approval that counts. `enough`: it is decided again with all of them. */
export function approved(
  record: LiveRecord,
  approval: ApprovalRecord,
  enough: boolean,
  nowSeconds: number,
): LiveRecord {
  if (record.state !== 'needs_approval' || record.approval === undefined) return record
  const approvals = [...record.approvals.filter(({ approver_id }) => approver_id !== approval.approver_id), approval]
  const given = new Set(approvals.map(({ user }) => user)).size
  if (!enough) return changed(record, { ...record, approvals, approval: { ...record.approval, given } })
  return changed(record, {
    ...without(record, 'approval'),
    approvals,
    state: 'approved',
    reasons: [],
    decide_until: Math.max(record.decide_until, nowSeconds + DECIDE_AFTER_WAIT_SECONDS),
  })
}

/** A fresh result about the agent's host is stored: it is decided again. */
export function attested(record: LiveRecord, nowSeconds: number): LiveRecord {
  if (record.state !== 'needs_attestation') return record
  return changed(record, {
    ...without(record, 'attestation'),
    state: record.approvals.length > 0 ? 'approved' : 'accepted',
    reasons: [],
    decide_until: Math.max(record.decide_until, nowSeconds + DECIDE_AFTER_WAIT_SECONDS),
  })
}

/** The plans that go out now. From here on they may be out, whatever is known of them. */
export function planned(
  record: LiveRecord,
  plans: readonly PlanRecord[],
  steps: readonly RoutedStep[],
  maxUses: number,
): LiveRecord {
  const known = (step: RoutedStep): StepRecord | undefined =>
    record.steps.find(({ step_id, gateway_id }) => step_id === step.step_id && gateway_id === step.gateway_id)
  const others = record.plans.filter(({ plan_id }) => !plans.some((plan) => plan.plan_id === plan_id))
  return changed(record, {
    ...without(record, 'approval', 'attestation'),
    state: record.state === 'executing' ? 'executing' : 'approved',
    reasons: [],
    plans: [...others, ...plans.map((plan) => ({ ...sentOf(record, plan), ...plan }))],
    steps: steps.map((step) => known(step) ?? { ...step, state: 'waiting' }),
    max_uses: maxUses,
  })
}

/** What is known of sending a plan of this id, whose bytes may have been others. */
function sentOf({ plans }: LiveRecord, { plan_id }: PlanRecord): Pick<PlanRecord, 'out' | 'sent' | 'stopped'> {
  const { out, sent, stopped } = plans.find((plan) => plan.plan_id === plan_id) ?? {}
  return { ...(out && { out }), ...(sent && { sent }), ...(stopped && { stopped }) }
}

/** The stream has acknowledged these plans. Its status does not say so yet: a gateway's first word will, or `executing`. */
export function sentOut(record: LiveRecord, planIds: readonly string[], nowSeconds: number): LiveRecord {
  const plans = sentAgain(record, planIds, nowSeconds).plans.map((plan) =>
    planIds.includes(plan.plan_id) ? { ...plan, out: true as const } : plan,
  )
  return { ...record, plans }
}

/** Its plans are out, and its status says so. */
export function executing(record: LiveRecord): LiveRecord {
  return record.state === 'approved' && record.plans.length > 0 ? withSteps(record, record) : record
}

/** When these plans were sent last, and how often. */
export function sentAgain(record: LiveRecord, planIds: readonly string[], nowSeconds: number): LiveRecord {
  const plans = record.plans.map((plan) =>
    planIds.includes(plan.plan_id) ? { ...plan, sent: { at: nowSeconds, times: (plan.sent?.times ?? 0) + 1 } } : plan,
  )
  return { ...record, plans }
}

/** Nothing more of it shall be redeemed; token-issuer is asked to see to that. Without plans nothing can be, and it ends at once. */
export function closing(
  record: LiveRecord,
  why: CloseReason,
  gateways: readonly string[],
  reason?: Reason,
): LiveRecord {
  if (isFinal(record.state) || gateways.length === 0 || record.closing?.why === 'cancelled') return record
  if (record.plans.length === 0) return ended(record, why, reason === undefined ? [] : [reason])
  return { ...record, closing: { why, gateways: [...gateways], ...(reason !== undefined && { reason }) } }
}

export interface ClosedPlan {
  readonly gateway_id: string
  readonly steps: readonly { readonly step_id: string; readonly redeemed: number }[]
}

/**
 * token-issuer has claimed what was left. A step that was not redeemed will not be. One that was runs on, unless its plan has
 * expired: then it ended with its last try, or nobody knows.
 */
export function closed(
  record: LiveRecord,
  order: { readonly why: CloseReason; readonly reason?: Reason },
  plans: readonly ClosedPlan[],
  nowSeconds: number,
): LiveRecord {
  const done = new Set(plans.map(({ gateway_id }) => gateway_id))
  const past = (gatewayId: string): boolean =>
    record.plans.some(({ gateway_id, exp }) => gateway_id === gatewayId && nowSeconds >= exp)
  const redeemedOf = ({ gateway_id, step_id }: StepRecord): number | undefined =>
    plans.find((plan) => plan.gateway_id === gateway_id)?.steps.find((step) => step.step_id === step_id)?.redeemed
  const steps = record.steps.map((step): StepRecord => {
    const redeemed = redeemedOf(step)
    if (redeemed === undefined || (step.state !== 'waiting' && step.state !== 'started')) return step
    if (redeemed === 0)
      return { ...step, state: order.why, ...(order.reason !== undefined && { reason: order.reason }) }
    if (!past(step.gateway_id)) return step
    return (step.spent?.length ?? 0) >= redeemed
      ? { ...step, state: 'refused', ended: true }
      : { ...step, state: 'unknown' }
  })
  const closedPlans = record.plans.map((plan) =>
    done.has(plan.gateway_id)
      ? { ...plan, stopped: true as const, ...(past(plan.gateway_id) && { closed: true as const }) }
      : plan,
  )
  return withSteps(record, { ...without(record, 'closing'), plans: closedPlans, steps })
}

/** Where nothing is left to run, the final state follows from the steps. A final state is not left, but for `unknown`. */
export function withSteps(before: LiveRecord, next: LiveRecord): LiveRecord {
  const begun = next.steps.some(({ state }) => state !== 'waiting') || next.plans.some(({ out }) => out === true)
  if (!begun || (isFinal(before.state) && before.state !== 'unknown')) return changed(before, next)
  const state = stateOfSteps(next.steps)
  return changed(before, { ...next, state, reasons: isFinal(state) ? reasonsOf(next.steps) : [] })
}

const REASONS_MAX = 16

function reasonsOf(steps: readonly StepRecord[]): Reason[] {
  const reasons = new Map<string, Reason>()
  for (const { state, reason } of steps)
    if (reason !== undefined && state !== 'succeeded') reasons.set(`${reason.code} ${reason.message}`, reason)
  return [...reasons.values()].slice(0, REASONS_MAX)
}
