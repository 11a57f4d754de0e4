import type { StepState } from '@writ/contracts'
import { type CloseReason, isFinal, type LiveRecord, type PlanRecord } from './intent-record.ts'

/** What is to be done with an intent next, from its record alone: any replica can do it, at any time, again. */
export type Move =
  | { readonly kind: 'decide' }
  /** Plans are recorded and may not be out. */
  | { readonly kind: 'dispatch'; readonly gateways: readonly string[] }
  /** Plans are out and their gateways are silent: a plan or an outcome may be lost. */
  | { readonly kind: 'repeat'; readonly gateways: readonly string[] }
  /** Plans are out, and nobody has been told: their gateways are silent. */
  | { readonly kind: 'tell' }
  | { readonly kind: 'close'; readonly why: CloseReason; readonly gateways: readonly string[] }
  /** Nobody came in time, and no token can exist. */
  | { readonly kind: 'expire' }
  /** Final: say it, record it, forget the rest. */
  | { readonly kind: 'settle' }
  /** Until then (NumericDate) there is nothing to do unless something arrives. */
  | { readonly kind: 'wait'; readonly until: number }

export function nextMove(record: LiveRecord, nowSeconds: number): Move {
  const { state, closing } = record
  if (isFinal(state))
    return mayStillChange(record) ? followSilent(record, nowSeconds, Number.POSITIVE_INFINITY) : { kind: 'settle' }
  if (closing?.gateways.some((gateway) => !isOver(record, gateway, nowSeconds)))
    return { kind: 'close', why: closing.why, gateways: closing.gateways }
  if (state === 'needs_approval') return waitUntil(record.approval?.expires ?? 0, nowSeconds)
  if (state === 'needs_attestation') return waitUntil(record.attestation?.expires ?? 0, nowSeconds)
  if (record.plans.length > 0) return followPlans(record, nowSeconds)
  return nowSeconds < record.decide_until ? { kind: 'decide' } : { kind: 'expire' }
}

/** A step was redeemed and its gateway has not said how it ended: it still may. */
export function mayStillChange({ state, steps }: LiveRecord): boolean {
  return state === 'unknown' && steps.some((step) => step.state === 'unknown' && step.ended !== true)
}

/** A plan that expired before token-issuer agreed to close it ends as every other one does. */
function isOver({ plans }: LiveRecord, gatewayId: string, nowSeconds: number): boolean {
  return plans.some(({ gateway_id, exp }) => gateway_id === gatewayId && exp <= nowSeconds)
}

function waitUntil(expires: number, nowSeconds: number): Move {
  return nowSeconds < expires ? { kind: 'wait', until: expires } : { kind: 'expire' }
}

function followPlans(record: LiveRecord, nowSeconds: number): Move {
  const open = record.plans.filter(({ closed }) => closed !== true)
  const expired = open.filter(({ exp }) => exp <= nowSeconds).map(({ gateway_id }) => gateway_id)
  if (expired.length > 0) return { kind: 'close', why: 'expired', gateways: expired }
  const unsure = open.filter(({ out }) => out !== true).map(({ gateway_id }) => gateway_id)
  const until = Math.min(...open.map(({ exp }) => exp))
  if (unsure.length > 0) {
    // Whoever sent one of them sent all at once, and may know of those that are not heard of yet.
    const sureAt = Math.max(0, ...open.flatMap(({ out, sent }) => (out === true && sent ? [sent.at + UNSURE_S] : [])))
    return sureAt <= nowSeconds
      ? { kind: 'dispatch', gateways: unsure }
      : { kind: 'wait', until: Math.min(until, sureAt) }
  }
  if (record.state !== 'approved') return followSilent(record, nowSeconds, until)
  const tellAt = Math.max(...open.map(({ sent }) => sent?.at ?? 0)) + TELL_AFTER_S
  return tellAt <= nowSeconds ? { kind: 'tell' } : { kind: 'wait', until: Math.min(until, tellAt) }
}

/** How long after a gateway's first word those of the others are waited for, before their plans are sent by somebody who has not sent them. */
const UNSURE_S = 5
/** How long the first word of a gateway is waited for, which says with it that the plans are out. */
const TELL_AFTER_S = 2

/** After this time without an end of all its steps a plan is sent again, then at doubled intervals. */
const REPEAT_S = 10
/** How long after its `exp` a plan is still sent, to hear again how it ended. */
const REPEAT_AFTER_EXP_S = 600

/**
 * The streams of plans and outcomes may lose what they acknowledged last. A gateway knows a plan by its id: it begins one that it
 * never got, and says again what came of one that it has done.
 */
function followSilent(record: LiveRecord, nowSeconds: number, until: number): Move {
  const due = record.plans.flatMap((plan) => {
    const at = repeatAt(record, plan)
    return at === undefined ? [] : [{ at, gateway: plan.gateway_id }]
  })
  const silent = due.filter(({ at }) => at <= nowSeconds).map(({ gateway }) => gateway)
  return silent.length > 0
    ? { kind: 'repeat', gateways: silent }
    : { kind: 'wait', until: Math.min(until, ...due.map(({ at }) => at)) }
}

function repeatAt({ steps }: LiveRecord, { gateway_id, sent, exp }: PlanRecord): number | undefined {
  const open = steps.some((step) => step.gateway_id === gateway_id && step.ended !== true && OPEN.includes(step.state))
  if (sent === undefined || !open) return undefined
  const at = sent.at + REPEAT_S * 2 ** (sent.times - 1)
  return at < exp + REPEAT_AFTER_EXP_S ? at : undefined
}

const OPEN: readonly StepState[] = ['waiting', 'started', 'unknown']
