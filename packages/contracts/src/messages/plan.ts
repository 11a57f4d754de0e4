import { z } from 'zod'
import {
  DOCUMENT_BYTES_MAX,
  PLAN_BYTES_MAX,
  REQUEST_BYTES_MAX,
  SERVICE_BYTES_MAX,
  TARGETS_MAX,
  TOKEN_SECONDS_MAX,
} from '../limits.ts'
import {
  ActionName,
  AnyObject,
  BoundedObject,
  base,
  Compact,
  expiring,
  Id,
  NumericDate,
  Rev,
  Sha256,
  StrictRev,
  User,
} from './common.ts'
import { Obligations } from './decision.ts'
import { defineMessage } from './define.ts'
import { StrictReason } from './reasons.ts'

/** `device:<action>:<device_id>` */
const Scope = z.string().regex(/^device:[a-z][a-z0-9-]{0,63}:[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)

export const tokenMessage = defineMessage({
  typ: 'writ-token+jwt',
  signers: ['token-issuer'],
  bytesMax: SERVICE_BYTES_MAX,
  lifetimeSecondsMax: TOKEN_SECONDS_MAX,
  schema: z.object({
    ...expiring,
    nbf: NumericDate,
    jti: Id,
    sub: Id,
    scope: z.array(Scope).min(1).max(TARGETS_MAX),
    cnf: z.strictObject({ jkt: Sha256, act: z.strictObject({ jkt: Sha256 }).exactOptional() }),
    intent_digest: Sha256,
    decision_digest: Sha256,
    plan_id: Id,
    user: User,
    groups: z.array(z.string()),
    records: z.array(Sha256),
    rev: Rev,
    max_uses: z.int().min(1).max(10),
    bind: Obligations.shape.bind,
  }),
})
export type Token = z.output<typeof tokenMessage.schema>

export const planMessage = defineMessage({
  typ: 'writ-plan+jwt',
  signers: ['intent-gateway'],
  bytesMax: PLAN_BYTES_MAX,
  lifetimeSecondsMax: TOKEN_SECONDS_MAX,
  schema: z.object({
    ...expiring,
    plan_id: Id,
    gateway_id: Id,
    steps: z
      .array(z.object({ step_id: Id, device_id: Id }))
      .min(1)
      .max(TARGETS_MAX),
    token: Compact,
    intent: Compact,
    decision: Compact,
    earlier: z.array(Compact),
    approvals: z.array(Compact),
    attestations: z.array(Compact),
    records: z.array(Compact),
  }),
})
export type Plan = z.output<typeof planMessage.schema>

/** `<plan_id>/<step_id>/<n>` */
export const UseId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\/[A-Za-z0-9][A-Za-z0-9_-]{0,63}\/[1-9][0-9]?$/)

export const redeemMessage = defineMessage({
  typ: 'writ-redeem+jwt',
  signers: ['gateway'],
  bytesMax: REQUEST_BYTES_MAX,
  lifetimeSecondsMax: 60,
  schema: z.strictObject({
    ...expiring,
    jti: Id,
    token_id: Id,
    token_digest: Sha256,
    use_id: UseId,
    act: Compact.exactOptional(),
  }),
})
export type Redeem = z.output<typeof redeemMessage.schema>

export const redeemedMessage = defineMessage({
  typ: 'writ-redeemed+jwt',
  signers: ['token-issuer'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({ ...base, request: Sha256, use: z.int().min(1), of: z.int().min(1), rev_head: Rev }),
})
export type Redeemed = z.output<typeof redeemedMessage.schema>

export const actMessage = defineMessage({
  typ: 'writ-act+jwt',
  signers: ['agent'],
  bytesMax: REQUEST_BYTES_MAX,
  lifetimeSecondsMax: 60,
  schema: z.strictObject({ ...expiring, jti: Id, plan_digest: Sha256, step_id: Id }),
})
export type Act = z.output<typeof actMessage.schema>

export const OUTCOME_STATES = ['started', 'succeeded', 'failed', 'refused', 'aborted', 'unknown'] as const
export type OutcomeState = (typeof OUTCOME_STATES)[number]

export const outcomeMessage = defineMessage({
  typ: 'writ-outcome+jwt',
  signers: ['gateway'],
  bytesMax: DOCUMENT_BYTES_MAX,
  schema: z.strictObject({
    ...base,
    plan_id: Id,
    token_id: Id.exactOptional(),
    intent_digest: Sha256,
    step_id: Id,
    use_id: UseId.exactOptional(),
    device_id: Id,
    action: ActionName,
    state: z.enum(OUTCOME_STATES),
    reason: StrictReason.exactOptional(),
    result: BoundedObject.exactOptional(),
    result_sha256: Sha256.exactOptional(),
    started_at: NumericDate.exactOptional(),
    finished_at: NumericDate.exactOptional(),
  }),
})
export type Outcome = z.output<typeof outcomeMessage.schema>

export const reportMessage = defineMessage({
  typ: 'writ-report+jwt',
  signers: ['gateway'],
  bytesMax: DOCUMENT_BYTES_MAX,
  schema: z.strictObject({
    ...base,
    device_id: Id,
    state: AnyObject,
    observed_at: NumericDate,
    address: z.string().min(1).max(64),
  }),
})
export type Report = z.output<typeof reportMessage.schema>

export const appliedMessage = defineMessage({
  typ: 'writ-applied+jwt',
  signers: ['gateway'],
  bytesMax: REQUEST_BYTES_MAX,
  schema: z.strictObject({
    ...base,
    rev: StrictRev,
    running: z.array(z.strictObject({ plan_id: Id, step_id: Id })).max(1000),
  }),
})
export type Applied = z.output<typeof appliedMessage.schema>
