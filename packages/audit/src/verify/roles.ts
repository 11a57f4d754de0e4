import { type AuditEvent, type EventType, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'

type Role = ServiceRole | 'gateway'

const EVERYBODY: readonly Role[] = [...SERVICE_ROLES, 'gateway']
const ACTORS: readonly Role[] = ['gateway', 'intent-gateway']

/** Whose word each type of event is. What anybody else says of it is out of role. */
export const SPEAKERS: Readonly<Record<EventType, readonly Role[]>> = {
  'source.started': EVERYBODY,
  'source.heartbeat': EVERYBODY,
  'source.stopped': EVERYBODY,
  'intent.accepted': ['intent-gateway'],
  'intent.refused': ['intent-gateway'],
  'policy.decided': ['policy-evaluator', 'intent-gateway'],
  'approval.requested': ['intent-gateway'],
  'approval.given': ['intent-gateway'],
  'attestation.appraised': ['attestation-verifier', 'intent-gateway'],
  'token.issued': ['token-issuer'],
  'plan.dispatched': ['intent-gateway'],
  'token.redeemed': ['token-issuer'],
  'action.started': ACTORS,
  'action.succeeded': ACTORS,
  'action.failed': ACTORS,
  'action.refused': ACTORS,
  'action.aborted': ACTORS,
  'action.unknown': ACTORS,
  'control.applied': ACTORS,
  'control.void': ACTORS,
  'record.filed': ['intent-gateway'],
  'log.opened': ['audit-sink'],
  'messages.refused': SERVICE_ROLES,
}

/** Whether an event is its source's to say: by its type, by the sealed documents that intent-gateway alone records, by the gateway it names. */
export function mayHaveSaid(event: AuditEvent, role: string, instance: string): boolean {
  const { type, gateway_id, documents } = event
  const speakers: readonly string[] = SPEAKERS[type]
  if (!speakers.includes(role)) return false
  const sealed = documents?.some(({ jwe }) => jwe !== undefined) ?? false
  if (sealed && role !== 'intent-gateway') return false
  if (role !== 'gateway') return true
  return gateway_id === instance || (gateway_id === undefined && speakers === EVERYBODY)
}
