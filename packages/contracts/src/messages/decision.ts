import { z } from 'zod'
import { APPROVAL_SECONDS_MAX, DOCUMENT_BYTES_MAX, SERVICE_BYTES_MAX, TOKEN_SECONDS_MAX } from '../limits.ts'
import { AnyObject, Compact, expiring, Id, Sha256, Text } from './common.ts'
import { defineMessage } from './define.ts'
import { ReasonShape } from './reasons.ts'

/** Demands of a decision, in full: defaults are filled in before it is signed. Unknown members are refused. */
export const Obligations = z.strictObject({
  ttl_s: z.int().min(1).max(TOKEN_SECONDS_MAX),
  max_uses: z.int().min(1).max(10),
  max_run_s: z.int().min(1).max(86_400),
  stop_on_failure: z.boolean(),
  approvals: z
    .strictObject({
      count: z.int().min(1).max(16),
      roles: z.array(z.string().min(1).max(64)).min(1).max(16),
      expires_s: z.int().min(1).max(APPROVAL_SECONDS_MAX),
    })
    .exactOptional(),
  attestation: z
    .strictObject({
      profile: z.string().min(1).max(128),
      max_age_s: z.int().min(1).max(86_400),
      expires_s: z.int().min(1).max(86_400),
    })
    .exactOptional(),
  bind: z
    .strictObject({
      network: z.array(z.string().min(1).max(64)).min(1).max(32).exactOptional(),
      device_state: AnyObject.exactOptional(),
    })
    .exactOptional(),
  redact: z
    .array(
      z
        .string()
        .regex(/^(\/([^~/]|~[01])*)+$/)
        .max(256),
    )
    .min(1)
    .max(32)
    .exactOptional(),
})
export type Obligations = z.output<typeof Obligations>

export const DECISION_OUTCOMES = ['allow', 'deny', 'needs_approval', 'needs_attestation'] as const
export type DecisionOutcome = (typeof DECISION_OUTCOMES)[number]

export const PolicyName = z.object({ version: z.int().min(1), bundle_sha256: Sha256 })

export const decisionMessage = defineMessage({
  typ: 'writ-decision+jwt',
  signers: ['policy-evaluator'],
  bytesMax: SERVICE_BYTES_MAX,
  lifetimeSecondsMax: APPROVAL_SECONDS_MAX,
  schema: z.object({
    ...expiring,
    intent_digest: Sha256,
    input_sha256: Sha256,
    policy: PolicyName,
    outcome: z.enum(DECISION_OUTCOMES),
    reasons: z.array(ReasonShape),
    first: Sha256.exactOptional(),
    shown: Sha256.exactOptional(),
    approvals: z.array(Sha256),
    attestations: z.array(Sha256),
    reports: z.array(Sha256),
    records: z.array(Sha256),
    obligations: Obligations,
  }),
})
export type Decision = z.output<typeof decisionMessage.schema>

export const approvalRequestMessage = defineMessage({
  typ: 'writ-approval-request+jwt',
  signers: ['intent-gateway'],
  bytesMax: SERVICE_BYTES_MAX,
  schema: z.object({ ...expiring, intent: Compact, decision: Compact, records: z.array(Compact) }),
})
export type ApprovalRequest = z.output<typeof approvalRequestMessage.schema>

export const approvalMessage = defineMessage({
  typ: 'writ-approval+jwt',
  signers: ['approver'],
  bytesMax: DOCUMENT_BYTES_MAX,
  lifetimeSecondsMax: APPROVAL_SECONDS_MAX,
  schema: z.strictObject({
    ...expiring,
    jti: Id,
    intent_digest: Sha256,
    decision_digest: Sha256,
    verdict: z.enum(['approve', 'reject']),
    comment: Text.exactOptional(),
  }),
})
export type Approval = z.output<typeof approvalMessage.schema>
