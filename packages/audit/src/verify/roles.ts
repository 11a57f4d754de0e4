import type { EventType, ServiceRole } from '@writ/contracts'

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

export function maySay(role: string, type: EventType): boolean {
  const speakers: readonly string[] | undefined = SPEAKERS[type]
  return speakers === undefined || speakers.includes(role)
}
