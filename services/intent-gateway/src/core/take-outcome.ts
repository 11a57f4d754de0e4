import type { Outcome } from '@writ/contracts'
import type { LiveRecord, StepRecord } from './intent-record.ts'
import { shortened } from './state-size.ts'
import { sentOut, withSteps } from './transitions.ts'

/**
 * What an outcome meant. `counted`: it says where its step stands. `try-ended`: that use had no effect and there are more.
 * `known`: it was counted before. `late`: another one ended the step, or it says less than is known.
 */
export type OutcomeEffect = 'counted' | 'try-ended' | 'known' | 'late'

export interface TakenOutcome {
  readonly record: LiveRecord
  readonly effect: OutcomeEffect
}

/**
 * The first final outcome of a step counts; a try that ended without effect is not final while others are left (CONTRACT "Outcome").
 * Whoever hears of a plan's step knows that the plan is out. `text`: the outcome itself, where it is kept in the record.
 */
export function takeOutcome(
  record: LiveRecord,
  outcome: Outcome,
  digest: string,
  nowSeconds: number,
  text?: string,
): TakenOutcome {
  const step = record.steps.find(({ step_id }) => step_id === outcome.step_id)
  const plan = record.plans.find(({ plan_id }) => plan_id === outcome.plan_id)
  if (step === undefined || plan === undefined) return { record, effect: 'late' }
  if (step.outcome_digest === digest)
    return { record, effect: step.ended || outcome.state === 'started' ? 'known' : 'try-ended' }
  // What the plane closed was never begun: the gateway's refusal of it says nothing new.
  const unbegun = step.state === 'cancelled' || step.state === 'expired' || step.state === 'revoked'
  if (step.ended || (unbegun && outcome.state === 'refused')) return { record, effect: 'late' }
  const replaced = (changes: Partial<StepRecord>): LiveRecord => {
    const { reason: _, outcome: __, ...rest } = step
    const next = { ...rest, ...changes, outcome_digest: digest, ...(text !== undefined && { outcome: text }) }
    const { plans } = plan.out === true ? record : sentOut(record, [plan.plan_id], nowSeconds)
    return withSteps(record, { ...record, plans, steps: record.steps.map((other) => (other === step ? next : other)) })
  }
  const reason = outcome.reason === undefined ? {} : { reason: shortened(outcome.reason, record.steps.length) }
  if (outcome.state === 'started')
    return step.state === 'waiting'
      ? { record: replaced({ state: 'started' }), effect: 'counted' }
      : { record, effect: 'late' }
  const spent = spentTry(outcome)
  if (spent === undefined)
    return { record: replaced({ state: outcome.state, ...reason, ended: true }), effect: 'counted' }
  const tries = [...new Set([...(step.spent ?? []), spent])]
  if (step.spent?.includes(spent)) return { record, effect: 'try-ended' }
  const left = tries.length < record.max_uses && nowSeconds < plan.exp && step.state === 'waiting'
  return left
    ? { record: replaced({ state: 'waiting', ...reason, spent: tries }), effect: 'try-ended' }
    : { record: replaced({ state: 'refused', ...reason, spent: tries, ended: true }), effect: 'counted' }
}

/** The number of the use that ended without effect; undefined for any other outcome. */
function spentTry({ state, reason, use_id }: Outcome): number | undefined {
  if (state !== 'refused' || (reason?.code !== 'too_late' && reason?.code !== 'interrupted')) return undefined
  const n = Number(use_id?.split('/').at(-1))
  return Number.isSafeInteger(n) ? n : undefined
}
