import { z } from 'zod'
import { DOCUMENT_BYTES_MAX, REQUEST_BYTES_MAX, SERVICE_BYTES_MAX, TARGETS_MAX } from '../limits.ts'
import {
  ActionName,
  BoundedObject,
  base,
  Compact,
  expiring,
  Id,
  NumericDate,
  Sha256,
  StatusId,
  Text,
  User,
} from './common.ts'
import { defineMessage } from './define.ts'
import { ReasonShape } from './reasons.ts'

export const intentMessage = defineMessage({
  typ: 'writ-intent+jwt',
  signers: ['agent'],
  bytesMax: DOCUMENT_BYTES_MAX,
  lifetimeSecondsMax: 600,
  schema: z.strictObject({
    ...expiring,
    jti: Id,
    on_behalf_of: User,
    action: ActionName,
    targets: z
      .array(Id)
      .min(1)
      .max(TARGETS_MAX)
      .refine((targets) => new Set(targets).size === targets.length, 'no duplicates'),
    params: BoundedObject.exactOptional(),
    purpose: Text,
    delivery: z.enum(['gateway', 'agent']).exactOptional(),
  }),
})
export type Intent = z.output<typeof intentMessage.schema>

export const cancelMessage = defineMessage({
  typ: 'writ-cancel+jwt',
  signers: ['agent'],
  bytesMax: DOCUMENT_BYTES_MAX,
  lifetimeSecondsMax: 600,
  schema: z.strictObject({ ...expiring, jti: Id, intent_digest: Sha256 }),
})
export type Cancel = z.output<typeof cancelMessage.schema>

/** States of an intent. The last eight are final; `unknown` alone may still change. */
export const INTENT_STATES = [
  'accepted',
  'needs_attestation',
  'needs_approval',
  'approved',
  'executing',
  'succeeded',
  'failed',
  'partial',
  'denied',
  'expired',
  'cancelled',
  'revoked',
  'unknown',
] as const
export type IntentState = (typeof INTENT_STATES)[number]

/** States of one step as status shows them: an outcome's, or what is known before and instead of one. */
export const STEP_STATES = [
  'waiting',
  'started',
  'succeeded',
  'failed',
  'refused',
  'aborted',
  'unknown',
  'expired',
  'cancelled',
  'revoked',
] as const
export type StepState = (typeof STEP_STATES)[number]

export const statusMessage = defineMessage({
  typ: 'writ-status+jwt',
  signers: ['intent-gateway'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({
    ...base,
    intent_id: StatusId,
    intent_digest: Sha256,
    n: z.int().min(1),
    state: z.enum(INTENT_STATES),
    reasons: z.array(ReasonShape),
    steps: z.array(
      z.object({
        step_id: Id,
        device_id: Id,
        gateway_id: Id,
        state: z.enum(STEP_STATES),
        reason: ReasonShape.exactOptional(),
        outcome_digest: Sha256.exactOptional(),
      }),
    ),
    approval: z
      .object({ needed: z.int(), given: z.int(), roles: z.array(z.string()), expires: NumericDate })
      .exactOptional(),
    attestation: z.object({ profile: z.string(), max_age_s: z.int(), expires: NumericDate }).exactOptional(),
    plans: z.array(z.object({ plan_id: Id, plan_digest: Sha256, gateway_id: Id })).exactOptional(),
  }),
})
export type Status = z.output<typeof statusMessage.schema>

export const queryMessage = defineMessage({
  typ: 'writ-query+jwt',
  signers: ['agent', 'approver', 'operator'],
  bytesMax: REQUEST_BYTES_MAX,
  lifetimeSecondsMax: 60,
  schema: z.strictObject({
    ...expiring,
    jti: Id,
    what: z.enum(['intents', 'pending', 'registry', 'tokens']),
    args: z.strictObject({
      limit: z.int().min(1).max(1000).exactOptional(),
      after: z.string().min(1).max(256).exactOptional(),
      kind: z.enum(['agent', 'device', 'gateway', 'approver', 'operator', 'policy', 'key']).exactOptional(),
      agent_id: Id.exactOptional(),
    }),
  }),
})
export type Query = z.output<typeof queryMessage.schema>

export const answerMessage = defineMessage({
  typ: 'writ-answer+jwt',
  signers: ['intent-gateway'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({ ...base, request: Sha256, items: z.array(Compact), next: z.string().exactOptional() }),
})
export type Answer = z.output<typeof answerMessage.schema>

/** What every service answers when it has no other message to give: a yes to a command or approval, or a no to anything. */
export const resultMessage = defineMessage({
  typ: 'writ-result+jwt',
  signers: ['intent-gateway', 'token-issuer', 'attestation-verifier', 'policy-evaluator'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({
    ...base,
    request: Sha256,
    ok: z.boolean(),
    version: z.int().min(1).exactOptional(),
    code: ReasonShape.shape.code.exactOptional(),
    message: Text.exactOptional(),
  }),
})
export type Result = z.output<typeof resultMessage.schema>
