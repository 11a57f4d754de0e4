import type { AuditEvent, EventStatus, EventType } from '@writ/contracts'

/** An event before its source gives it an id and a time. */
export type NewEvent = Omit<AuditEvent, 'event_id' | 'timestamp'>
type Fields = Omit<NewEvent, 'type' | 'status'>

/** What an event of each type says at least; everything else that applies may be added. */
interface Needs {
  'source.started': never
  'source.heartbeat': never
  'source.stopped': never
  'intent.accepted': 'agent_id' | 'intent' | 'intent_id' | 'intent_digest'
  'intent.refused': 'reasons'
  'policy.decided': 'intent_digest' | 'policy'
  'approval.requested': 'intent_digest'
  'approval.given': 'intent_digest'
  'attestation.appraised': 'attestation'
  'token.issued': 'agent_id' | 'gateway_id' | 'intent_digest' | 'token_id' | 'plan_id'
  'plan.dispatched': 'agent_id' | 'gateway_id' | 'intent_digest' | 'token_id' | 'plan_id' | 'approved_by' | 'detail'
  'token.redeemed': 'gateway_id' | 'token_id' | 'plan_id' | 'documents'
  'action.started': 'gateway_id' | 'device_id' | 'intent_digest' | 'plan_id'
  'action.succeeded': 'gateway_id' | 'device_id' | 'intent_digest' | 'plan_id'
  'action.failed': 'gateway_id' | 'device_id' | 'intent_digest' | 'plan_id' | 'reasons'
  'action.refused': 'gateway_id' | 'reasons'
  'action.aborted': 'gateway_id' | 'device_id' | 'intent_digest' | 'plan_id' | 'reasons'
  'action.unknown': 'gateway_id' | 'device_id' | 'intent_digest' | 'plan_id' | 'reasons'
  'control.applied': 'detail'
  'control.void': 'detail'
  'record.filed': 'detail'
  'log.opened': 'detail'
  'messages.refused': 'detail'
}

/** Types whose status the caller says. */
type Judged = 'policy.decided' | 'approval.given' | 'attestation.appraised'

/** The status of all others. */
const STATUS: Readonly<Record<Exclude<EventType, Judged>, EventStatus>> = {
  'source.started': 'succeeded',
  'source.heartbeat': 'succeeded',
  'source.stopped': 'succeeded',
  'intent.accepted': 'succeeded',
  'intent.refused': 'denied',
  'approval.requested': 'pending',
  'token.issued': 'succeeded',
  'plan.dispatched': 'succeeded',
  'token.redeemed': 'succeeded',
  'action.started': 'started',
  'action.succeeded': 'succeeded',
  'action.failed': 'failed',
  'action.refused': 'denied',
  'action.aborted': 'failed',
  'action.unknown': 'failed',
  'control.applied': 'succeeded',
  'control.void': 'denied',
  'record.filed': 'succeeded',
  'log.opened': 'succeeded',
  'messages.refused': 'denied',
}

type StatusArgument<T extends EventType> = T extends Judged ? [status: EventStatus] : []

/** An event of a type with what that type must say. `policy.decided`, `approval.given`, `attestation.appraised` take a status. */
export function auditEvent<T extends EventType>(
  type: T,
  fields: Fields & Required<Pick<Fields, Needs[T]>>,
  ...[status]: StatusArgument<T>
): NewEvent {
  const fixed: Partial<Record<EventType, EventStatus>> = STATUS
  return { type, status: fixed[type] ?? status ?? 'failed', ...fields }
}
