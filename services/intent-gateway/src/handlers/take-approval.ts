import {
  approvalDemands,
  checkApproval,
  checkApprovalCount,
  checkEnvelope,
  checkSubject,
  openApproval,
  recordsInForce,
  type SignedApproval,
  type Verified,
  verifyService,
} from '@writ/authority'
import { approvalMessage, decisionMessage as decision, type decisionMessage, Fault, type Reason } from '@writ/contracts'
import { digestOf, openMessage, requestDigest } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { Claims } from '../adapters/claims.ts'
import type { DecisionFiles } from '../adapters/decision-files.ts'
import type { Evidence } from '../adapters/evidence.ts'
import { approvalKey, type IntentRecord, isDone, type LiveRecord, userOf } from '../core/intent-record.ts'
import { approved, ended } from '../core/transitions.ts'
import type { AuthorityView, Clock, Sign } from '../ports.ts'
import { result } from './answer.ts'
import { type KnownKeyDeps, knownKey } from './known-key.ts'

export interface TakeApprovalDeps extends KnownKeyDeps {
  readonly region: string
  readonly view: AuthorityView
  readonly files: DecisionFiles
  readonly claims: Claims
  readonly evidence: Evidence
  readonly sign: Sign
  readonly clock: Clock
  readonly kick: (key: string) => void
}

const REJECTED: Reason = { code: 'approval_rejected', message: 'An approver rejected the intent.' }

/**
 * Takes an approval and answers when it is stored. Each approver's word is checked as the gateway will check it; one reject ends the
 * intent, and when the demands are met it is decided again with all of them.
 */
export function takeApproval(deps: TakeApprovalDeps): (approverId: string, body: Uint8Array) => Promise<string> {
  return async (approverId, body) => {
    deps.view.assertCurrent()
    const signed = await verified(deps, approverId, body)
    const { claims, jws } = signed.approval
    const yes = () => result(deps, requestDigest(body), { ok: true })
    const key = await knownKey(deps, claims.intent_digest)
    const record = key === undefined ? undefined : await deps.records.read(key)
    const known = key === undefined ? undefined : await deps.records.text(approvalKey(key, approverId))
    const repeated = known !== undefined && digestOf(known) === jws.digest
    if (repeated && !isUncounted(record, signed)) {
      deps.kick(key ?? '')
      return yes()
    }
    if ((await deps.claims.answered('approval', approverId, claims.jti, jws.digest))?.ok) return yes()
    checkEnvelope(deps.view.authority, signed.approval as Verified, deps.clock.nowSeconds())
    if ((await deps.claims.take('approval', approverId, claims.jti, jws.digest)) === 'another')
      throw new Fault('replayed', { message: 'Another approval was signed under this jti.' })
    refuseRevoked(deps, signed)
    if (key === undefined || record === undefined || isDone(record) || record.state !== 'needs_approval')
      throw new Fault('chain_broken', { message: 'No intent of this digest waits for approvals.' })
    await store(deps, key, record, signed)
    return yes()
  }
}

/** Its text was kept and the record does not say so: whoever took it did not live, or had no bus, to write that down. */
function isUncounted(record: IntentRecord | undefined, { approval: { claims, jws } }: SignedApproval): boolean {
  return (
    record !== undefined &&
    !isDone(record) &&
    record.state === 'needs_approval' &&
    record.decisions.shown?.digest === claims.decision_digest &&
    !record.approvals.some(({ digest }) => digest === jws.digest)
  )
}

function verified({ view }: TakeApprovalDeps, approverId: string, body: Uint8Array): Promise<SignedApproval> {
  checkSubject(openMessage(approvalMessage, body), approverId)
  return caughtUp(view.catchUp, () => openApproval(body, recordsInForce(view.authority)))
}

function refuseRevoked({ view }: TakeApprovalDeps, { approval, approver }: SignedApproval): void {
  const refusal = view.authority.control.refusalOf({ users: [approver.record.user], keys: [approval.jws.kid] })
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
}

async function store(deps: TakeApprovalDeps, key: string, record: LiveRecord, signed: SignedApproval): Promise<void> {
  const { approval, approver } = signed
  const shown = await shownDecision(deps, key, record)
  const { trust, audience } = deps.view.authority
  const floors = record.steps.flatMap(
    ({ device_id }) => trust.record('device', device_id)?.record.floors?.[record.action] ?? [],
  )
  const demands = approvalDemands(shown.claims.obligations, floors)
  const about = { intentDigest: record.digest, onBehalfOf: userOf(record), shown, audience }
  const reject = approval.claims.verdict === 'reject'
  // A reject passes all the other checks too: only who may approve may end it.
  checkApproval(reject ? asApproved(signed) : signed, about, demands)
  await deps.records.replace(approvalKey(key, approver.id), approval.jws.compact)
  const word = {
    approver_id: approver.id,
    user: approver.record.user,
    digest: approval.jws.digest,
    decision_digest: shown.jws.digest,
  }
  const others = await Promise.all(
    record.approvals
      .filter(({ approver_id, decision_digest }) => approver_id !== approver.id && decision_digest === shown.jws.digest)
      .map(({ approver_id }) => deps.records.text(approvalKey(key, approver_id))),
  )
  const all = [signed, ...others.flatMap((text) => (text === undefined ? [] : openedAgain(deps, text)))]
  await deps.records.modify(key, (latest) => {
    if (latest.state !== 'needs_approval' || latest.decisions.shown?.digest !== shown.jws.digest) return latest
    return reject
      ? ended({ ...latest, approvals: [...latest.approvals, word] }, 'denied', [REJECTED])
      : approved(latest, word, meets(all, demands), deps.clock.nowSeconds())
  })
  await deps.evidence.approval(record, approver, approval.jws.compact, approval.claims.verdict)
  deps.kick(key)
}

async function shownDecision(
  deps: TakeApprovalDeps,
  key: string,
  record: LiveRecord,
): Promise<Verified<typeof decisionMessage>> {
  const { shown } = record.decisions
  const file = shown === undefined ? undefined : await deps.files.read(key, shown.n)
  if (file === undefined) throw new Fault('unavailable', { message: 'The decision that was shown cannot be read.' })
  return verifyService(deps.view.authority, 'policy-evaluator', openMessage(decision, file.decision))
}

function openedAgain({ view }: TakeApprovalDeps, text: string): SignedApproval[] {
  try {
    return [openApproval(text, recordsInForce(view.authority))]
  } catch {
    // Its approver is not one any more.
    return []
  }
}

function meets(approvals: readonly SignedApproval[], demands: Parameters<typeof checkApprovalCount>[1]): boolean {
  try {
    checkApprovalCount(approvals, demands)
    return true
  } catch {
    return false
  }
}

function asApproved({ approval, approver }: SignedApproval): SignedApproval {
  return { approver, approval: { ...approval, claims: { ...approval.claims, verdict: 'approve' } } }
}
