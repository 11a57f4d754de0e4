import { type Authority, type Verified, verifyParty, verifyService } from '@writ/authority'
import { type endedRpc, Fault, outcomeMessage, tokenMessage } from '@writ/contracts'
import { checkAudience, openMessage } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { z } from 'zod'
import { checkEnded } from '../core/check-ended.ts'
import { endedKey, formatValue, parseTokenValue, parseUseValue, tokenKey, useKey } from '../core/uses.ts'
import type { Uses } from '../ports.ts'

export interface EndedDeps {
  readonly authority: Authority
  readonly uses: Uses
  /** Reads SIGNERS, REGISTRY and CONTROL to their ends. */
  readonly catchUp: () => Promise<void>
}

type Request = z.output<typeof endedRpc.request>
type Reply = z.input<typeof endedRpc.reply>

/**
 * Records that a use ended without effect, on the word of the plan's gateway, so that the next one may be claimed. Recorded once:
 * the same outcome again changes nothing.
 */
export function ended(deps: EndedDeps): (request: Request) => Promise<Reply> {
  return async ({ outcome: body }) => {
    const opened = openMessage(outcomeMessage, body)
    const outcome = await caughtUp(deps.catchUp, () => verifyParty(deps.authority, 'gateway', opened))
    checkAudience(outcome.claims, deps.authority.audience)
    const use = checkEnded(outcome.claims)
    const [kept, claimed] = await Promise.all([
      deps.uses.get(tokenKey(use.planId)),
      deps.uses.get(useKey(use.planId, use.stepId, use.n)),
    ])
    await caughtUp(deps.catchUp, () => assertRedeemed(deps.authority, outcome, kept, claimed))
    await deps.uses.create(endedKey(use.planId, use.stepId, use.n), formatValue({ outcome: outcome.jws.digest }))
    return { ok: true }
  }
}

function assertRedeemed(
  authority: Authority,
  { claims }: Verified<typeof outcomeMessage>,
  kept: Uint8Array | undefined,
  claimed: Uint8Array | undefined,
): void {
  const value = kept === undefined ? undefined : parseTokenValue(kept)
  if (value === undefined || 'closed' in value || claimed === undefined || 'closed' in parseUseValue(claimed))
    throw new Fault('token_unknown', { message: 'No such use was redeemed.' })
  const token = verifyService(authority, 'token-issuer', openMessage(tokenMessage, value.token)).claims
  if (token.aud !== claims.iss) throw new Fault('wrong_gateway', { message: 'The plan is another gateway’s.' })
  if (claims.token_id !== undefined && claims.token_id !== token.jti)
    throw new Fault('token_unknown', { message: 'The outcome is about another token.' })
}
