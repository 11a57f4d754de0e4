import { type FiledRecord, planIdOf, scopeOf, stepsFor, type VerifiedChain } from '@writ/authority'
import { Fault, type Rev, TOKEN_SECONDS_MAX, type Token } from '@writ/contracts'
import { thumbprint } from '@writ/keys'
import { recordDigests } from './decide-again.ts'
import type { Minted } from './uses.ts'

export interface MintContext {
  readonly audience: string
  readonly gateway: FiledRecord<'gateway'>
  readonly policy: FiledRecord<'policy'>
  /** The control message applied last when the checks began. */
  readonly rev: Rev
  readonly nowSeconds: number
  readonly tokenId: string
}

/**
 * G2: exactly the plan's scopes, one gateway as audience, its key, and no longer than policy says. Pure.
 * Throws Fault `wrong_gateway` when no target is on this gateway, `unavailable` for a delivery that is not supported yet.
 */
export function mintClaims(chain: VerifiedChain, context: MintContext): Token {
  const { intent, decision } = chain
  const { gateway, nowSeconds } = context
  if (intent.claims.delivery === 'agent')
    throw new Fault('unavailable', { message: 'Delivery by the agent is not supported yet.' })
  const devices = chain.devices.filter(({ record }) => record.gateway_id === gateway.id)
  if (devices.length === 0) throw new Fault('wrong_gateway', { message: 'No target of the intent is on this gateway.' })
  const { obligations } = decision.claims
  return {
    iss: context.audience,
    sub: intent.claims.iss,
    aud: gateway.id,
    jti: context.tokenId,
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + Math.min(obligations.ttl_s, TOKEN_SECONDS_MAX),
    scope: scopeOf(intent.claims.action, stepsFor(intent.claims, gateway.id, chain.devices)),
    cnf: { jkt: bindingKey(gateway) },
    intent_digest: intent.jws.digest,
    decision_digest: decision.jws.digest,
    plan_id: planIdOf(intent.jws.digest, gateway.id),
    user: intent.claims.on_behalf_of,
    groups: [...new Set(devices.map(({ record }) => record.group))],
    records: recordDigests(chain, devices, context.policy),
    rev: context.rev,
    max_uses: obligations.max_uses,
    ...(obligations.bind !== undefined && { bind: obligations.bind }),
  }
}

/** The key that the token is bound to: the first of the gateway's record in force. */
export function bindingKey(gateway: FiledRecord<'gateway'>): string {
  return thumbprint(gateway.record.keys[0] as (typeof gateway.record.keys)[number])
}

/** What is kept beside the token's bytes for redeems and closing. */
export function mintedOf(chain: VerifiedChain, gatewayId: string): Omit<Minted, 'token'> {
  const { intent, approvals, decision, earlier, attestations } = chain
  const signed = [intent, ...approvals.map(({ approval }) => approval), decision, ...earlier, ...attestations]
  return {
    steps: stepsFor(intent.claims, gatewayId, chain.devices).map(({ step_id }) => step_id),
    users: [...new Set(approvals.map(({ approver }) => approver.record.user))],
    keys: [...new Set(signed.map(({ jws }) => jws.kid))],
  }
}
