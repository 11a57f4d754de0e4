import {
  type AuditEvent,
  type Command,
  commandMessage,
  type Decision,
  decisionMessage,
  type Intent,
  intentMessage,
  type PublicJwk,
  type Redeem,
  redeemMessage,
} from '@writ/contracts'
import { publicJwk, thumbprint, type Unverified } from '@writ/keys'

/** Why a document that verified is not about what its event says; undefined where it is. */
export function misfit(event: AuditEvent, { message, jws, claims }: Unverified): string | undefined {
  if (event.type === 'record.filed' && message.typ === commandMessage.typ) return ofRecord(event, claims as Command)
  if (event.type === 'token.redeemed' && message.typ === redeemMessage.typ) return ofRedeem(event, claims as Redeem)
  if (event.type === 'policy.decided' && message.typ === decisionMessage.typ)
    return (claims as Decision).intent_digest === event.intent_digest ? undefined : 'is about another intent'
  if (event.type === 'intent.accepted' && message.typ === intentMessage.typ) {
    const { iss, jti } = claims as Intent
    const same = jws.digest === event.intent_digest && iss === event.agent_id && jti === event.intent_id
    return same ? undefined : 'is another intent'
  }
  return undefined
}

function ofRecord({ detail }: AuditEvent, { kind, id, version, record }: Command): string | undefined {
  const registered = record !== null && 'keys' in record ? record.keys : []
  const same =
    detail?.['kind'] === kind &&
    detail['id'] === id &&
    detail['version'] === version &&
    kidsOf(keysOf(detail['keys'])) === kidsOf(registered)
  return same ? undefined : 'files another record than the event says'
}

function ofRedeem({ token_id, plan_id, gateway_id, detail }: AuditEvent, redeem: Redeem): string | undefined {
  const use = `${plan_id}/${String(detail?.['step_id'])}/${String(detail?.['use'])}`
  const same =
    redeem.token_id === token_id &&
    redeem.token_digest === detail?.['token_digest'] &&
    redeem.use_id === use &&
    redeem.iss === gateway_id
  return same ? undefined : 'is about another use'
}

const kidsOf = (keys: readonly PublicJwk[]): string => keys.map(thumbprint).sort().join(' ')

/** Public keys of an event's detail; none where it holds anything else. */
export function keysOf(value: unknown): PublicJwk[] {
  try {
    return Array.isArray(value) ? value.map(publicJwk) : []
  } catch {
    return []
  }
}
