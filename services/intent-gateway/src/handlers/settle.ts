import { approvalMessage, decisionMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { noteSpan } from '@writ/service-kit'
import type { Claims } from '../adapters/claims.ts'
import type { DecisionFiles } from '../adapters/decision-files.ts'
import type { Evidence } from '../adapters/evidence.ts'
import type { IntentRecords } from '../adapters/intent-records.ts'
import type { OutcomeCopies } from '../adapters/outcome-copies.ts'
import type { Statuses } from '../adapters/statuses.ts'
import { intentKey, type LiveRecord, stateKey } from '../core/intent-record.ts'
import type { AuthorityView, Meter } from '../ports.ts'

export interface SettleDeps {
  readonly view: AuthorityView
  readonly records: IntentRecords
  readonly files: DecisionFiles
  readonly claims: Claims
  readonly statuses: Statuses
  readonly outcomes: OutcomeCopies
  readonly evidence: Evidence
  readonly meter: Meter
  /** Plans that are kept to be sent again, by their digest. */
  readonly made: Pick<Map<string, unknown>, 'delete'>
  readonly reportLate: (error: unknown) => void
}

/**
 * A final state: said, recorded, and only then are the texts forgotten. A process that ends in between leaves a record that is not
 * settled, and whoever finds it says and records it again.
 */
export function settle(deps: SettleDeps): (record: LiveRecord) => Promise<void> {
  return async (record) => {
    await deps.statuses.say(record)
    const key = stateKey(record.agent_id, record.intent_id)
    const approvals = await deps.records.approvals(key, record)
    if (record.plans.length === 0) await recordEnd(deps, record, approvals)
    else await recordOutcomes(deps, record)
    await rememberAnswers(deps, approvals)
    const { count } = record.decisions
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    await Promise.all([
      ...numbers.map((n) => deps.files.forget(key, n)),
      deps.files.forgetAfter(key, count),
      deps.records.forgetTexts(record),
    ])
    await deps.records.settle(record)
    for (const { plan_digest } of record.plans) deps.made.delete(plan_digest)
    deps.outcomes.forgetLater(record, deps.reportLate)
    if (record.plans.length > 0) deps.meter.passed(key, 'run')
    deps.meter.finished(key, record.state, record.reasons[0]?.code ?? 'none')
    noteSpan({ 'writ.state': record.state })
  }
}

/** The same bytes again get the same answer, also when their text is forgotten. */
async function rememberAnswers({ claims: kept }: SettleDeps, approvals: readonly string[]): Promise<void> {
  for (const text of approvals) {
    const { claims, jws } = openMessage(approvalMessage, text)
    await kept.answer('approval', claims.iss, claims.jti, jws.digest, { ok: true })
  }
}

/** Whoever counted an outcome recorded it too, unless it did not live to do so. What a plan rests on was recorded before it went out. */
async function recordOutcomes({ outcomes, evidence }: SettleDeps, record: LiveRecord): Promise<void> {
  const digests = record.steps.flatMap(({ outcome_digest }) => outcome_digest ?? [])
  await Promise.all(digests.map((digest) => evidence.outcomeOnce(record, digest, () => outcomes.read(record, digest))))
}

/** What became of an intent of which nothing went out. */
async function recordEnd(deps: SettleDeps, record: LiveRecord, approvals: readonly string[]): Promise<void> {
  const key = stateKey(record.agent_id, record.intent_id)
  for (let n = 1; n <= record.decisions.count; n++) {
    const file = await deps.files.read(key, n)
    if (file !== undefined)
      await deps.evidence.decided(record, file, openMessage(decisionMessage, file.decision).claims)
  }
  for (const approval of approvals) await deps.evidence.approvalAgain(record, approval)
  // Nobody's key is made on an agent's word alone: only for a user that an operator registered for it.
  const users = deps.view.authority.trust.record('agent', record.agent_id)?.record.users ?? []
  const isKnown = record.user !== undefined && users.includes(record.user)
  await deps.evidence.ended(record, isKnown ? await deps.records.text(intentKey(key)) : undefined)
}
