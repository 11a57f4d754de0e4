import type { FiledRecord, Verified } from '@writ/authority'
import type { Decision, reportMessage } from '@writ/contracts'
import { buildInput, countingReports, type Evaluator, inputSha256, type PolicyDecision } from '@writ/policy'
import type { VerifiedRequest } from './verify-request.ts'

export interface DecisionContext {
  readonly region: string
  readonly audience: string
  readonly policy: FiledRecord<'policy'>
  /** Of the bundle that `policy` names. */
  readonly evaluator: Pick<Evaluator, 'evaluate'>
  /** Verified reports about the targets, counting or not. */
  readonly reports: readonly Verified<typeof reportMessage>[]
  readonly nowSeconds: number
  readonly first?: string
  readonly shown?: string
}

const DECISION_SECONDS = 60

/** Decides: the claims of the decision are a function of what was verified and of `nowSeconds`, its `iat`. */
export function decisionClaims(request: VerifiedRequest, context: DecisionContext): Decision {
  const { region, policy, nowSeconds, first, shown } = context
  const reports = countingReports(context.reports, request.devices, nowSeconds)
  const input = buildInput({ ...request, nowSeconds, region, policy, reports })
  const decided = context.evaluator.evaluate(input)
  return {
    iss: 'policy-evaluator',
    aud: context.audience,
    iat: nowSeconds,
    exp: nowSeconds + lifetimeSeconds(decided),
    intent_digest: request.intent.jws.digest,
    input_sha256: inputSha256(input),
    policy: { version: policy.version, bundle_sha256: policy.record.bundle_sha256 },
    outcome: decided.outcome,
    reasons: [...decided.reasons],
    ...(first !== undefined && { first }),
    ...(shown !== undefined && { shown }),
    approvals: request.approvals.map(({ approval }) => approval.jws.digest),
    attestations: request.attestations.map(({ jws }) => jws.digest),
    reports: reports.map(({ jws }) => jws.digest),
    records: recordDigests(request, policy),
    obligations: decided.obligations,
  }
}

/** A decision that waits for people or for a machine lives as long as it waits. */
function lifetimeSeconds({ outcome, obligations }: PolicyDecision): number {
  if (outcome === 'needs_approval') return obligations.approvals?.expires_s ?? DECISION_SECONDS
  if (outcome === 'needs_attestation') return obligations.attestation?.expires_s ?? DECISION_SECONDS
  return DECISION_SECONDS
}

/** Agent, devices in the order of the targets, approvers, `policy/active`. */
function recordDigests({ agent, devices, approvals }: VerifiedRequest, policy: FiledRecord<'policy'>): string[] {
  const approvers = approvals.map(({ approver }) => approver)
  return [...new Set([agent, ...devices, ...approvers, policy].map(({ digest }) => digest))]
}
