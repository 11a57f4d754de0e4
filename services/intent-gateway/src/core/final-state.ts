import type { IntentState, ReasonCode } from '@writ/contracts'
import type { StepRecord } from './intent-record.ts'

type Step = Pick<StepRecord, 'state' | 'reason'>
type NotBegun = 'revoked' | 'cancelled' | 'expired'

/** Why a gateway refused a step that was never begun, where status has a word for it. */
const REFUSED: Readonly<Partial<Record<ReasonCode, NotBegun>>> = {
  revoked: 'revoked',
  quarantined: 'revoked',
  cancelled: 'cancelled',
  expired: 'expired',
  token_expired: 'expired',
}
/** Where several steps were not begun for several reasons, the first of these names the intent's end. */
const NOT_BEGUN: readonly NotBegun[] = ['revoked', 'cancelled', 'expired']

/**
 * The state of an intent whose plans are out, from those of its steps (CONTRACT "Status"). `executing` while one may still
 * begin or runs; `unknown` while a step was redeemed and nobody can say how it ended.
 */
export function stateOfSteps(steps: readonly Step[]): IntentState {
  if (steps.some(({ state }) => state === 'waiting' || state === 'started')) return 'executing'
  if (steps.some(({ state }) => state === 'unknown')) return 'unknown'
  const succeeded = steps.filter(({ state }) => state === 'succeeded').length
  if (succeeded === steps.length) return 'succeeded'
  if (succeeded > 0) return 'partial'
  const whys = steps.map(notBegun)
  return whys.includes(undefined) ? 'failed' : (NOT_BEGUN.find((why) => whys.includes(why)) ?? 'failed')
}

function notBegun({ state, reason }: Step): NotBegun | undefined {
  if (state === 'revoked' || state === 'cancelled' || state === 'expired') return state
  if (state === 'refused' && reason !== undefined) return REFUSED[reason.code]
  // An act that never came. A running action that a revoke stopped had begun.
  return state === 'aborted' && reason?.code === 'expired' ? 'expired' : undefined
}
