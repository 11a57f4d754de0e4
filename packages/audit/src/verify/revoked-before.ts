import {
  type Attestation,
  type AuditEvent,
  type AuditMessage,
  approvalMessage,
  attestationMessage,
  commandMessage,
  controlMessage,
  cosignMessage,
  type Decision,
  decisionMessage,
  type EventType,
  intentMessage,
  type Redeem,
  redeemMessage,
  type ServiceRole,
} from '@writ/contracts'
import type { Unverified } from '@writ/keys'
import type { KeyRing } from './key-ring.ts'
import type { OpenedEntry } from './open-entry.ts'
import type { RevokedKeys } from './revoked-keys.ts'

/** What only authority can do. What was begun before is reported under a revoked key too, and that somebody is alive. */
const NEEDS_AUTHORITY: ReadonlySet<EventType> = new Set([
  'intent.accepted',
  'policy.decided',
  'approval.given',
  'attestation.appraised',
  'token.issued',
  'plan.dispatched',
  'token.redeemed',
  'action.started',
  'record.filed',
])

/** What a message says that nobody may say under a revoked key, if anything. */
export function needsAuthority({ events }: AuditMessage): EventType | undefined {
  return events.find(({ type }) => NEEDS_AUTHORITY.has(type))?.type
}

/** Whether a message's key, or every endorsement that makes it good, was revoked before it was signed. */
export function messageWasRevoked(
  { role, instance, jws: { kid }, claims: { iat } }: OpenedEntry,
  revoked: RevokedKeys,
  ring: KeyRing,
): boolean {
  if (role === 'gateway') return revoked.key(kid, iat)
  return serviceKeyWasRevoked({ role, kid, at: iat, instance }, revoked, ring)
}

/**
 * The same of an event's document. `recordedAt`: of the message that holds it. Operators' words, and what was asked of services, count by that time:
 * their own is theirs to choose.
 */
export function documentWasRevoked(
  { message, jws: { kid }, claims }: Unverified,
  { type, detail }: Pick<AuditEvent, 'type' | 'detail'>,
  recordedAt: number,
  revoked: RevokedKeys,
  ring: KeyRing,
): boolean {
  const seq = detail?.['seq']
  switch (message.typ) {
    case controlMessage.typ:
      return typeof seq === 'number' && revoked.keyBefore(kid, seq)
    case commandMessage.typ:
    case cosignMessage.typ:
      return revoked.operatorKey(kid, recordedAt)
    case intentMessage.typ:
      return type === 'intent.accepted' && revoked.key(kid, recordedAt)
    case approvalMessage.typ:
      return type === 'approval.given' && revoked.key(kid, recordedAt)
    case decisionMessage.typ:
      return serviceKeyWasRevoked({ role: 'policy-evaluator', kid, at: (claims as Decision).iat }, revoked, ring)
    case attestationMessage.typ:
      return serviceKeyWasRevoked({ role: 'attestation-verifier', kid, at: (claims as Attestation).iat }, revoked, ring)
    case redeemMessage.typ:
      return revoked.key(kid, (claims as Redeem).iat)
    default:
      return false
  }
}

interface ServiceKey {
  readonly role: ServiceRole
  readonly kid: string
  readonly at: number
  readonly instance?: string
}

function serviceKeyWasRevoked({ role, kid, at, instance }: ServiceKey, revoked: RevokedKeys, ring: KeyRing): boolean {
  if (revoked.key(kid, at)) return true
  const endorsed = ring.endorsementsAt(role, kid, at, instance)
  return endorsed.length > 0 && endorsed.every(({ iat }) => revoked.endorsement(role, iat, at))
}
