import { type CloseReason, isFinal, type LiveRecord } from './intent-record.ts'

/** What is to be done with an intent next, from its record alone: any replica can do it, at any time, again. */
export type Move =
  | { readonly kind: 'decide' }
  /** Plans are recorded and may not be out. */
  | { readonly kind: 'dispatch'; readonly gateways: readonly string[] }
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
    return mayStillChange(record) ? { kind: 'wait', until: Number.POSITIVE_INFINITY } : { kind: 'settle' }
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

function followPlans({ plans }: LiveRecord, nowSeconds: number): Move {
  const open = plans.filter(({ closed }) => closed !== true)
  const expired = open.filter(({ exp }) => exp <= nowSeconds).map(({ gateway_id }) => gateway_id)
  if (expired.length > 0) return { kind: 'close', why: 'expired', gateways: expired }
  const unsure = open.filter(({ out }) => out !== true).map(({ gateway_id }) => gateway_id)
  if (unsure.length > 0) return { kind: 'dispatch', gateways: unsure }
  return { kind: 'wait', until: Math.min(...open.map(({ exp }) => exp)) }
}
