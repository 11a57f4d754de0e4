import { Fault, type Redeem, type Token } from '@writ/contracts'
import type { Minted, Use } from './uses.ts'

/**
 * Whether a token that is valid now at the redeem's gateway answers the redeem: the same token, the bound key, a step of it, a
 * use it has. Revokes and earlier uses are asked elsewhere.
 * Throws Fault `token_unknown`, `constraint_failed`, `scope_exceeded`, `token_spent`, `unavailable`.
 */
export function checkRedeem(redeem: Redeem, kid: string, use: Use, token: Token, minted: Minted): void {
  if (redeem.token_id !== token.jti || use.planId !== token.plan_id)
    throw new Fault('token_unknown', { message: 'No such token was issued for this plan.' })
  if (token.cnf.jkt !== kid)
    throw new Fault('constraint_failed', { message: 'The token is bound to another key than the redeem’s.' })
  if (token.cnf.act !== undefined)
    throw new Fault('unavailable', { message: 'Delivery by the agent is not supported yet.' })
  if (redeem.act !== undefined)
    throw new Fault('constraint_failed', { message: 'The token is not one that an agent presents.' })
  if (!minted.steps.includes(use.stepId))
    throw new Fault('scope_exceeded', { message: 'The step is none of the token’s.' })
  if (use.n > token.max_uses) throw new Fault('token_spent', { message: `The token has ${token.max_uses} uses.` })
}
