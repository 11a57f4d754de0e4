import {
  type Approval,
  type AuditEvent,
  approvalMessage,
  type Command,
  type Control,
  type Cosign,
  commandMessage,
  controlMessage,
  cosignMessage,
  type Decision,
  decisionMessage,
  type Intent,
  intentMessage,
  type Outcome,
  outcomeMessage,
  type PublicJwk,
  type Redeem,
  redeemMessage,
} from '@writ/contracts'
import { publicJwk, thumbprint, type Unverified } from '@writ/keys'

/** Why a document that verified is not about what its event says; undefined where it is. */
export function misfit(event: AuditEvent, { message, jws, claims }: Unverified): string | undefined {
  const { typ } = message
  const { type } = event
  if (type === 'record.filed' && typ === commandMessage.typ) return ofRecord(event, claims as Command)
  if (type === 'token.redeemed' && typ === redeemMessage.typ) return ofRedeem(event, claims as Redeem)
  if (type === 'policy.decided' && typ === decisionMessage.typ)
    return (claims as Decision).intent_digest === event.intent_digest ? undefined : 'is about another intent'
  if ((type === 'intent.accepted' || type === 'intent.refused') && typ === intentMessage.typ)
    return ofIntent(event, claims as Intent, jws.digest)
  if (type === 'approval.given' && typ === approvalMessage.typ) return ofApproval(event, claims as Approval)
  if (type === 'record.filed' && typ === cosignMessage.typ) return ofCosign(event, claims as Cosign)
  if (type === 'control.applied' && typ === controlMessage.typ) return ofControl(event, claims as Control)
  if (type.startsWith('action.') && typ === outcomeMessage.typ) return ofOutcome(event, claims as Outcome)
  return undefined
}

function ofControl({ detail = {} }: AuditEvent, control: Control): string | undefined {
  const claims: Readonly<Record<string, unknown>> = control
  if (claims['command'] !== detail['command']) return 'is another command'
  const other = ['scope', 'id', 'lifts', 'iat'].some((name) => name in detail && detail[name] !== claims[name])
  return other ? 'withdraws something else than the event says' : undefined
}

/** Its command may be in an event of its own, where it is large. */
function ofCosign({ documents = [] }: Pick<AuditEvent, 'documents'>, cosign: Cosign): string | undefined {
  const command = documents.find(({ typ }) => typ === commandMessage.typ)
  return command === undefined || command.digest === cosign.command_digest ? undefined : 'is about another command'
}

function ofIntent(event: AuditEvent, { iss, jti, action }: Intent, digest: string): string | undefined {
  const same = digest === event.intent_digest && iss === event.agent_id && jti === event.intent_id
  if (!same) return 'is another intent'
  return action === event.intent ? undefined : 'asks for another action than the event says'
}

function ofApproval({ intent_digest, detail }: AuditEvent, approval: Approval): string | undefined {
  if (approval.intent_digest !== intent_digest) return 'is about another intent'
  return approval.verdict === detail?.['verdict'] ? undefined : 'says something else'
}

function ofOutcome(event: AuditEvent, outcome: Outcome): string | undefined {
  const same =
    outcome.iss === event.gateway_id &&
    outcome.intent_digest === event.intent_digest &&
    outcome.plan_id === event.plan_id &&
    outcome.device_id === event.device_id &&
    outcome.step_id === event.detail?.['step_id']
  if (!same) return 'is about another step'
  if (outcome.action !== event.intent) return 'is about another action than the event says'
  return event.type === `action.${outcome.state}` ? undefined : 'says that it ended otherwise'
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
