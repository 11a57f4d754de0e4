import { type Authority, type Touched, verifyParty } from '@writ/authority'
import { cancelMessage, Fault, type Intent, type intentMessage, type Token } from '@writ/contracts'
import { checkAudience, checkTimes, openMessage, type Unverified } from '@writ/keys'
import { touchedByToken } from './touched.ts'
import type { CloseReason, Minted } from './uses.ts'

export interface OpenPlan {
  readonly token: Token
  readonly minted: Minted
}

/**
 * Whether what is left of these plans may be closed for the reason given. Closing takes authority away, so it does not wait for
 * freshness; but only an agent cancels its intent, only the token's end makes it expire, and only CONTROL revokes. Plans without
 * a token are not asked about: nobody but the asker can have one minted.
 * Throws Fault `unavailable` when it does not look so from here yet, and for a cancel the code of what is wrong with it.
 */
export function checkMayClose(
  authority: Authority,
  intent: Unverified<typeof intentMessage>,
  plans: readonly OpenPlan[],
  reason: { readonly why: CloseReason; readonly cancel?: string },
  nowSeconds: number,
): void {
  const { why, cancel } = reason
  if (why === 'cancelled') checkCancel(authority, intent, cancel, nowSeconds)
  if (why === 'expired' && plans.some(({ token }) => nowSeconds < token.exp))
    throw notYet('A token of the intent has not expired.')
  if (why === 'revoked' && plans.some((plan) => !isDead(authority, plan)))
    throw notYet('CONTROL revokes nothing of the intent.')
}

/** Its `exp` was for whoever took it in: a cancel that was in time does not lapse on the way here. */
function checkCancel(
  authority: Authority,
  intent: Unverified<typeof intentMessage>,
  body: string | undefined,
  nowSeconds: number,
): void {
  if (body === undefined) throw new Fault('malformed', { message: 'The agent’s cancel is missing.' })
  const { claims } = verifyParty(authority, 'agent', openMessage(cancelMessage, body))
  checkAudience(claims, authority.audience)
  checkTimes({ iat: claims.iat }, nowSeconds)
  if (claims.iss !== intent.claims.iss || claims.intent_digest !== intent.jws.digest)
    throw new Fault('chain_broken', { message: 'The cancel is about another intent.' })
}

function isDead(authority: Authority, { token, minted }: OpenPlan): boolean {
  const touched: Touched = touchedByToken(authority, token, minted)
  return authority.control.tokenRefusal(token.rev, touched) !== undefined
}

/** The steps of a plan that never had a token, as the records in force place its targets. */
export function stepsWithoutToken({ trust }: Authority, intent: Intent, gatewayId: string): readonly string[] {
  return intent.targets.flatMap((id, index) =>
    trust.record('device', id)?.record.gateway_id === gatewayId ? [`s${index}`] : [],
  )
}

function notYet(message: string): Fault {
  return new Fault('unavailable', { message })
}
