import {
  type Authority,
  type ChainMessages,
  checkEnvelope,
  type FiledRecord,
  type RoutedDevice,
  recordsInForce,
  type Verified,
  type VerifiedChain,
  verifyChain,
  verifyParty,
  verifyService,
} from '@writ/authority'
import {
  CLOCK_AHEAD_SECONDS_MAX,
  DECIDE_AFTER_WAIT_SECONDS,
  decisionMessage,
  Fault,
  isFault,
  reportMessage,
  USES_KEPT_SECONDS,
} from '@writ/contracts'
import { checkAudience, jsonSha256, openMessage } from '@writ/keys'
import { buildInput, type Evaluator, inputSha256 } from '@writ/policy'

/** The first decision cannot be followed, and a new one might be: policy, records or time have moved on. */
export class DecideAgain extends Fault {
  readonly again = true
}

export interface SecondDecisionRequest extends ChainMessages {
  /** The exact reports that the decision names. */
  readonly reports: readonly string[]
}

export interface SecondDecision {
  readonly chain: VerifiedChain
  readonly policy: FiledRecord<'policy'>
}

/**
 * G3: the second decision. Verifies the whole chain with the records in force here, makes the policy input again from the same
 * signed messages, and evaluates the same bundle again. Returns the chain only if this decider came to the same outcome and the
 * same obligations by itself.
 *
 * @param evaluator of the bundle that the policy record in force names
 * @param nowSeconds the token's `iat`
 * Throws DecideAgain, and otherwise the Fault of the first check of CONTRACT section 6 that fails.
 */
export function decideAgain(
  authority: Authority,
  request: SecondDecisionRequest,
  evaluator: Pick<Evaluator, 'bundleSha256' | 'evaluate'>,
  nowSeconds: number,
): SecondDecision {
  const records = recordsInForce(authority)
  const policy = records.policy()
  if (policy?.record.bundle_sha256 !== evaluator.bundleSha256) throw again('The active policy has just changed.')
  checkCurrent(authority, request.decision, policy, nowSeconds)
  const chain = verifyWhole(authority, request, nowSeconds)
  checkInTime(chain, nowSeconds)
  const { claims } = chain.decision
  const input = buildInput({
    ...chain,
    nowSeconds: claims.iat,
    region: authority.region,
    policy,
    reports: verifyReports(authority, request.reports, chain),
  })
  if (!sameList(recordDigests(chain, chain.devices, policy), claims.records)) throw again('A record has changed.')
  if (inputSha256(input) !== claims.input_sha256) throw again('The input of the decision is another one here.')
  const own = evaluator.evaluate(input)
  if (own.outcome !== claims.outcome || jsonSha256(own.obligations) !== jsonSha256(claims.obligations)) {
    throw new DecideAgain('policy_denied', { message: 'The two deciders do not agree.' })
  }
  return { chain, policy }
}

/** For clocks that differ, and the time from here to the write. */
const MARGIN_SECONDS = 60

/**
 * Whoever has an old intent decided anew gets nothing for it. It may be decided until its `exp`, or a while after what it visibly waited
 * for (G3); and one token an intent and gateway (G12) holds only as long as the bucket of uses remembers the first.
 */
function checkInTime({ intent, decision, earlier, attestations }: VerifiedChain, nowSeconds: number): void {
  const first = earlier.find(({ jws }) => jws.digest === decision.claims.first) ?? decision
  const waits = [
    ...earlier.filter(({ claims }) => claims.outcome.startsWith('needs_')).map(({ claims }) => claims.exp),
    ...attestations.map(({ claims }) => claims.iat),
  ]
  const until = Math.max(intent.claims.exp, ...waits.map((end) => end + DECIDE_AFTER_WAIT_SECONDS))
  if (decision.claims.iat >= until + CLOCK_AHEAD_SECONDS_MAX)
    throw new Fault('expired', { message: 'The intent had expired when it was decided again.' })
  if (nowSeconds - first.claims.iat >= USES_KEPT_SECONDS - MARGIN_SECONDS)
    throw new Fault('expired', { message: 'The intent was first decided too long ago.' })
}

/** A result that was fresh enough for the first decider and is not any more: another decision asks for another result. */
function verifyWhole(authority: Authority, request: ChainMessages, nowSeconds: number): VerifiedChain {
  try {
    return verifyChain(authority, request, recordsInForce(authority), nowSeconds)
  } catch (error) {
    if (isFault(error) && error.code === 'attestation_stale')
      throw new DecideAgain(error.code, { message: error.message, cause: error })
    throw error
  }
}

/** A genuine decision that time or policy has overtaken is decided again; anything else wrong with it is a decided no. */
function checkCurrent(authority: Authority, body: string, policy: FiledRecord<'policy'>, nowSeconds: number): void {
  const decision = verifyService(authority, 'policy-evaluator', openMessage(decisionMessage, body))
  const { version, bundle_sha256 } = decision.claims.policy
  if (version !== policy.version || bundle_sha256 !== policy.record.bundle_sha256) {
    throw again('The decision is under another policy than the active one.')
  }
  try {
    checkEnvelope(authority, decision, nowSeconds)
  } catch (error) {
    if (isFault(error) && error.code === 'expired') throw again('The decision has expired.')
    throw error
  }
}

function verifyReports(
  authority: Authority,
  bodies: readonly string[],
  { devices, decision }: VerifiedChain,
): readonly Verified<typeof reportMessage>[] {
  try {
    const reports = bodies.map((body) => verifyReport(authority, body, devices))
    const digests = reports.map(({ jws }) => jws.digest)
    if (sameList(digests, decision.claims.reports)) return reports
  } catch (error) {
    if (!isFault(error)) throw error
  }
  throw again('The reports are not those that the decision names.')
}

function verifyReport(
  authority: Authority,
  body: string,
  devices: readonly RoutedDevice[],
): Verified<typeof reportMessage> {
  const report = verifyParty(authority, 'gateway', openMessage(reportMessage, body))
  checkAudience(report.claims, authority.audience)
  const device = devices.find(({ id }) => id === report.claims.device_id)
  if (device?.record.gateway_id !== report.claims.iss)
    throw new Fault('wrong_gateway', { message: 'A report about a device of another gateway.' })
  return report
}

/** Digests of agent, devices, approvers and `policy/active`, in this order: what decisions and tokens rest on. */
export function recordDigests(
  chain: Pick<VerifiedChain, 'agent' | 'approvals'>,
  devices: readonly RoutedDevice[],
  policy: FiledRecord<'policy'>,
): string[] {
  const approvers = chain.approvals.map(({ approver }) => approver)
  return [...new Set([chain.agent, ...devices, ...approvers, policy].map(({ digest }) => digest))]
}

export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}

function again(message: string): DecideAgain {
  return new DecideAgain('unavailable', { message })
}
