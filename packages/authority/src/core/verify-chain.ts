import {
  approvalMessage,
  attestationMessage,
  CLOCK_AHEAD_SECONDS_MAX,
  decisionMessage,
  Fault,
  intentMessage,
} from '@writ/contracts'
import { checkAudience, openMessage } from '@writ/keys'
import {
  approvalDemands,
  checkApproval,
  checkApprovalCount,
  checkSameObligations,
  type SignedApproval,
} from './approvals.ts'
import { attestationDemands, checkAttestations } from './attestations.ts'
import type { Authority } from './authority.ts'
import { checkCeilings, type RoutedDevice } from './ceilings.ts'
import type { FiledRecord } from './filed-record.ts'
import { checkEnvelope, type Verified, verifyService, verifyWithKeys } from './verify.ts'

/** A decision that nothing is waited for under (CONTRACT "Decision"). */
const DECISION_SECONDS_MAX = 60

/** The exact signed messages between an intent and its token. */
export interface ChainMessages {
  readonly intent: string
  readonly decision: string
  /** The decisions that `first` and `shown` of the last one name. */
  readonly earlier: readonly string[]
  readonly approvals: readonly string[]
  readonly attestations: readonly string[]
}

/** Where the records of the chain come from: a service's own registry, or at a gateway those in the plan. */
export interface RecordSource {
  agent(id: string): FiledRecord<'agent'> | undefined
  device(id: string): FiledRecord<'device'> | undefined
  approver(id: string): FiledRecord<'approver'> | undefined
  policy(): FiledRecord<'policy'> | undefined
}

export interface VerifiedIntent {
  readonly intent: Verified<typeof intentMessage>
  readonly agent: FiledRecord<'agent'>
  readonly devices: readonly RoutedDevice[]
}

export interface VerifiedChain extends VerifiedIntent {
  readonly decision: Verified<typeof decisionMessage>
  readonly earlier: readonly Verified<typeof decisionMessage>[]
  /** The one that the decision is under. */
  readonly policy: FiledRecord<'policy'>
  readonly approvals: readonly SignedApproval[]
  readonly attestations: readonly Verified<typeof attestationMessage>[]
}

/** Reads records of a service's own registry: those in force. */
export function recordsInForce({ trust }: Authority): RecordSource {
  return {
    agent: (id) => trust.record('agent', id),
    device: (id) => trust.record('device', id),
    approver: (id) => trust.record('approver', id),
    policy: () => trust.record('policy', 'active'),
  }
}

/** An intent's signature, and the ceilings of `targets` (all of its own where none are given). Its times are the caller's. */
export function verifyIntent(
  authority: Authority,
  body: Uint8Array | string,
  records: RecordSource,
  targets?: readonly string[],
): VerifiedIntent {
  const opened = openMessage(intentMessage, body)
  const agent = records.agent(opened.claims.iss)
  const intent = verifyWithKeys(opened, 'agent', agent?.record.keys)
  checkAudience(intent.claims, authority.audience)
  const lifetime = intent.claims.exp - intent.claims.iat
  if (lifetime > (intentMessage.lifetimeSecondsMax as number)) {
    throw new Fault('lifetime_too_long', { message: 'The intent lives too long.' })
  }
  const registered = agent as FiledRecord<'agent'>
  const devices = checkCeilings(
    intent.claims,
    registered,
    targets ?? intent.claims.targets,
    (id) => records.device(id),
    authority.region,
  )
  return { intent, agent: registered, devices }
}

/**
 * Everything between intent and token, in the order of CONTRACT section 6: intent, decisions, approvals, attestations, with the
 * floors of the devices. `atSeconds`: the token's `iat`. Throws the Fault of the first check that fails.
 */
export function verifyChain(
  authority: Authority,
  messages: ChainMessages,
  records: RecordSource,
  atSeconds: number,
  targets?: readonly string[],
): VerifiedChain {
  const verified = verifyIntent(authority, messages.intent, records, targets)
  const decisions = verifyDecisions(authority, messages, verified, records, atSeconds)
  const approvals = verifyApprovals(authority, messages, verified, decisions, records)
  const attestations = verifyAttestations(authority, messages, verified, decisions.decision, atSeconds)
  return { ...verified, ...decisions, approvals, attestations }
}

type Decisions = Pick<VerifiedChain, 'decision' | 'earlier' | 'policy'>

function verifyDecisions(
  authority: Authority,
  messages: ChainMessages,
  { intent }: VerifiedIntent,
  records: RecordSource,
  atSeconds: number,
): Decisions {
  const [decision, ...earlier] = [messages.decision, ...messages.earlier].map((body) => {
    const opened = verifyService(authority, 'policy-evaluator', openMessage(decisionMessage, body))
    checkLifetime(opened)
    if (opened.claims.intent_digest !== intent.jws.digest) throw broken('A decision is about another intent.')
    return opened
  }) as [Verified<typeof decisionMessage>, ...Verified<typeof decisionMessage>[]]
  const { claims } = decision
  const named = new Set([claims.first, claims.shown].filter((digest) => digest !== undefined))
  if (earlier.length !== named.size || earlier.some(({ jws }) => !named.has(jws.digest))) {
    throw broken('The earlier decisions are not those that the last one names.')
  }
  const first = earlier.find(({ jws }) => jws.digest === claims.first) ?? decision
  if (first.claims.first !== undefined) throw broken('The first decision names another one as the first.')
  const { iat, exp } = intent.claims
  if (first.claims.iat < iat - CLOCK_AHEAD_SECONDS_MAX)
    throw new Fault('not_yet_valid', { message: 'The intent was issued after it was decided.' })
  if (first.claims.iat >= exp) throw new Fault('expired', { message: 'The intent had expired when it was decided.' })
  checkEnvelope(authority, decision, atSeconds)
  if (claims.outcome !== 'allow') throw new Fault('policy_denied', { message: 'The decision does not allow it.' })
  const policy = records.policy()
  if (policy?.version !== claims.policy.version || policy.record.bundle_sha256 !== claims.policy.bundle_sha256) {
    throw broken('The decision is under another policy than the active one.')
  }
  return { decision, earlier, policy }
}

/** How long a decision may be used: an answer for a moment; while something is waited for, as long as it itself says. */
function checkLifetime({ claims }: Verified<typeof decisionMessage>): void {
  const { outcome, obligations, iat, exp } = claims
  const waits =
    outcome === 'needs_approval'
      ? obligations.approvals?.expires_s
      : outcome === 'needs_attestation'
        ? obligations.attestation?.expires_s
        : undefined
  if (exp - iat > (waits ?? DECISION_SECONDS_MAX))
    throw new Fault('lifetime_too_long', { message: 'A decision lives longer than it may.' })
}

function floorsOf({ intent, devices }: VerifiedIntent) {
  return devices.flatMap(({ record }) => record.floors?.[intent.claims.action] ?? [])
}

function verifyApprovals(
  authority: Authority,
  messages: ChainMessages,
  verified: VerifiedIntent,
  { decision, earlier }: Decisions,
  records: RecordSource,
): readonly SignedApproval[] {
  const demands = approvalDemands(decision.claims.obligations, floorsOf(verified))
  const approvals = messages.approvals.map((body) => openApproval(body, records))
  if (
    !sameDigests(
      approvals.map(({ approval }) => approval.jws.digest),
      decision.claims.approvals,
    )
  ) {
    throw broken('The approvals are not those that the decision names.')
  }
  const shown = earlier.find(({ jws }) => jws.digest === decision.claims.shown)
  if (shown !== undefined) checkSameObligations(shown.claims.obligations, decision.claims.obligations)
  for (const approval of approvals) {
    if (shown === undefined) throw broken('Approvals without a decision that was shown.')
    const about = { intentDigest: verified.intent.jws.digest, onBehalfOf: verified.intent.claims.on_behalf_of, shown }
    checkApproval(approval, { ...about, audience: authority.audience }, demands, decision.claims.iat)
  }
  checkApprovalCount(approvals, demands)
  return approvals
}

/** An approval's form and signature; its claims are `checkApproval`'s. */
export function openApproval(body: Uint8Array | string, records: RecordSource): SignedApproval {
  const opened = openMessage(approvalMessage, body)
  const approver = records.approver(opened.claims.iss)
  const approval = verifyWithKeys(opened, 'approver', approver?.record.keys)
  return { approval, approver: approver as FiledRecord<'approver'> }
}

function verifyAttestations(
  authority: Authority,
  messages: ChainMessages,
  verified: VerifiedIntent,
  decision: Verified<typeof decisionMessage>,
  atSeconds: number,
): readonly Verified<typeof attestationMessage>[] {
  const results = messages.attestations.map((body) =>
    verifyService(authority, 'attestation-verifier', openMessage(attestationMessage, body)),
  )
  if (
    !sameDigests(
      results.map(({ jws }) => jws.digest),
      decision.claims.attestations,
    )
  ) {
    throw broken('The attestation results are not those that the decision names.')
  }
  const agent = { id: verified.intent.claims.iss, kid: verified.intent.jws.kid }
  checkAttestations(results, attestationDemands(decision.claims.obligations, floorsOf(verified)), agent, atSeconds)
  return results
}

function sameDigests(found: readonly string[], named: readonly string[]): boolean {
  return found.length === named.length && found.every((digest, index) => digest === named[index])
}

function broken(message: string): Fault {
  return new Fault('chain_broken', { message })
}
