import { type FiledRecord, scopeOf } from '@writ/authority'
import { Fault, type Intent, PLAN_BYTES_MAX, type Plan, type Token } from '@writ/contracts'

/** The exact signed messages that a plan carries beside its token, in the order in which the decision names them. */
export interface ChainParts {
  readonly intent: string
  readonly decision: string
  /** The decisions that `first` and `shown` of the decision name. */
  readonly earlier: readonly string[]
  readonly approvals: readonly string[]
  readonly attestations: readonly string[]
}

export interface PlanStep {
  readonly step_id: string
  readonly device_id: string
}

/**
 * What intent-gateway says in a plan. Throws Fault `chain_broken` when the token is not the one for these steps: it came from
 * another service, and nothing goes out that the gateway would refuse.
 */
export function planClaims(
  audience: string,
  nowSeconds: number,
  parts: ChainParts & { readonly claims: Intent; readonly digest: string },
  token: { readonly compact: string; readonly claims: Token },
  plan: { readonly id: string; readonly gatewayId: string; readonly steps: readonly PlanStep[] },
  records: readonly Pick<FiledRecord, 'value'>[],
): Plan {
  const { claims } = token
  const scope = scopeOf(parts.claims.action, plan.steps)
  const fits =
    claims.plan_id === plan.id &&
    claims.aud === plan.gatewayId &&
    claims.intent_digest === parts.digest &&
    claims.sub === parts.claims.iss &&
    claims.scope.length === scope.length &&
    claims.scope.every((item, index) => item === scope[index])
  if (!fits) throw new Fault('chain_broken', { message: 'The token is not the one of this plan.' })
  return {
    iss: 'intent-gateway',
    aud: audience,
    iat: nowSeconds,
    exp: claims.exp,
    plan_id: plan.id,
    gateway_id: plan.gatewayId,
    steps: plan.steps.map(({ step_id, device_id }) => ({ step_id, device_id })),
    token: token.compact,
    intent: parts.intent,
    decision: parts.decision,
    earlier: [...parts.earlier],
    approvals: [...parts.approvals],
    attestations: [...parts.attestations],
    records: records.map(({ value }) => value),
  }
}

/** Header, signature, ids, token and decision without what grows with the targets. */
const FIXED_BYTES = 10_000
/** For each target: its step, scope, and its record and report by digest in decision and token (which are text inside text). */
const TARGET_BYTES = 700
/** What an approval and its approver's record may take, and an attestation result, where an action needs them. */
const WAIT_BYTES = 24_000

/** Whether the plan for these targets would be small enough, taken generously. `values`: the filed records that go with it. */
export function planWouldFit(intent: string, targets: number, values: readonly string[]): boolean {
  const payload =
    FIXED_BYTES +
    WAIT_BYTES +
    TARGET_BYTES * targets +
    intent.length +
    values.reduce((sum, { length }) => sum + length, 0)
  return (payload * 4) / 3 <= PLAN_BYTES_MAX
}
