import { z } from 'zod'
import { REASON_CODES } from '../codes.ts'
import { AUDIT_BYTES_MAX, EVENTS_MAX, SERVICE_BYTES_MAX } from '../limits.ts'
import { ActionName, AnyObject, base, Compact, Id, Sequence, Sha256, StatusId } from './common.ts'
import { defineMessage } from './define.ts'

export const EVENT_TYPES = [
  'source.started',
  'source.heartbeat',
  'source.stopped',
  'intent.accepted',
  'intent.refused',
  'policy.decided',
  'approval.requested',
  'approval.given',
  'attestation.appraised',
  'token.issued',
  'plan.dispatched',
  'token.redeemed',
  'action.started',
  'action.succeeded',
  'action.failed',
  'action.refused',
  'action.aborted',
  'action.unknown',
  'control.applied',
  'control.void',
  'record.filed',
  'log.opened',
  'messages.refused',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

export const EVENT_STATUSES = ['started', 'succeeded', 'failed', 'denied', 'pending'] as const
export type EventStatus = (typeof EVENT_STATUSES)[number]

/** `p:` and the first 22 characters of an HMAC under the region's key: never a name. */
export const Pseudonym = z.string().regex(/^p:[A-Za-z0-9_-]{22}$/)

export const EventDocument = z.strictObject({
  typ: z.string().min(1).max(64),
  digest: Sha256,
  jws: Compact.exactOptional(),
  jwe: Compact.exactOptional(),
})
export type EventDocument = z.output<typeof EventDocument>

export const AuditEvent = z.strictObject({
  event_id: z.uuidv7(),
  timestamp: z.iso.datetime({ precision: 3 }),
  type: z.enum(EVENT_TYPES),
  status: z.enum(EVENT_STATUSES),
  agent_id: Id.exactOptional(),
  user: Pseudonym.exactOptional(),
  intent: ActionName.exactOptional(),
  intent_id: StatusId.exactOptional(),
  intent_digest: Sha256.exactOptional(),
  device_id: Id.exactOptional(),
  gateway_id: Id.exactOptional(),
  approved_by: z.array(z.union([z.literal('policy'), Pseudonym])).exactOptional(),
  token_id: Id.exactOptional(),
  plan_id: Id.exactOptional(),
  attestation: AnyObject.exactOptional(),
  policy: AnyObject.exactOptional(),
  reasons: z.array(z.enum(REASON_CODES)).exactOptional(),
  detail: AnyObject.exactOptional(),
  documents: z.array(EventDocument).exactOptional(),
})
export type AuditEvent = z.output<typeof AuditEvent>

/** `<role>/<instance>/<boot>`; `gateway/<gateway_id>/<boot>` for gateways. */
export const SourceName = z.string().regex(/^[a-z][a-z-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9_-]{0,63}){2}$/)

export const auditMessage = defineMessage({
  typ: 'writ-audit+jwt',
  signers: ['gateway', 'intent-gateway', 'policy-evaluator', 'token-issuer', 'attestation-verifier', 'audit-sink'],
  bytesMax: AUDIT_BYTES_MAX,
  schema: z.strictObject({
    ...base,
    source: SourceName,
    seq: Sequence,
    prev: Sha256.exactOptional(),
    events: z.array(AuditEvent).min(1).max(EVENTS_MAX),
  }),
})
export type AuditMessage = z.output<typeof auditMessage.schema>

export const sealedMessage = defineMessage({
  typ: 'writ-sealed+jwt',
  signers: ['audit-sink'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({ ...base, checkpoint: z.string().min(1), heads: z.record(SourceName, Sequence) }),
})
export type Sealed = z.output<typeof sealedMessage.schema>
