import type { AuditEvent, EventType, ServiceRole } from '@writ/contracts'

type Role = ServiceRole | 'gateway'

/** What only these roles may say. Other types are everybody's own business. */
const SPEAKERS: Readonly<Partial<Record<EventType, readonly Role[]>>> = {
  'intent.accepted': ['intent-gateway'],
  'policy.decided': ['policy-evaluator', 'intent-gateway'],
  'approval.requested': ['intent-gateway'],
  'approval.given': ['intent-gateway'],
  'attestation.appraised': ['attestation-verifier', 'intent-gateway'],
  'token.issued': ['token-issuer'],
  'plan.dispatched': ['intent-gateway'],
  'token.redeemed': ['token-issuer'],
  'action.started': ['gateway', 'intent-gateway'],
  'action.succeeded': ['gateway', 'intent-gateway'],
  'action.failed': ['gateway', 'intent-gateway'],
  'action.refused': ['gateway', 'intent-gateway'],
  'action.aborted': ['gateway', 'intent-gateway'],
  'action.unknown': ['gateway', 'intent-gateway'],
  'record.filed': ['intent-gateway'],
  'log.opened': ['audit-sink'],
}

function maySay(role: string, type: EventType): boolean {
  const speakers: readonly string[] | undefined = SPEAKERS[type]
  return speakers === undefined || speakers.includes(role)
}

/** Whether an event is its source's to say: by its type, by the sealed documents that intent-gateway alone records, by the gateway it names. */
export function mayHaveSaid(event: AuditEvent, role: string, instance: string): boolean {
  if (!maySay(role, event.type)) return false
  const sealed = event.documents?.some(({ jwe }) => jwe !== undefined) ?? false
  if (sealed && role !== 'intent-gateway') return false
  return role !== 'gateway' || event.gateway_id === undefined || event.gateway_id === instance
}
