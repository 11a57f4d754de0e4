import { auditEvent, type NewEvent } from '@writ/audit'
import { type Authority, type ControlStep, type FiledRecord, parseFiledValue } from '@writ/authority'
import {
  approvalMessage,
  approvalRequestMessage,
  attestationMessage,
  type Control,
  commandMessage,
  controlMessage,
  cosignMessage,
  type Decision,
  decisionMessage,
  type EventType,
  intentMessage,
  type JsonObject,
  type Outcome,
  outcomeMessage,
  type PublicJwk,
  type Reason,
  reportMessage,
  type Token,
} from '@writ/contracts'
import { digestOf, openMessage } from '@writ/keys'
import { type LiveRecord, userOf } from '../core/intent-record.ts'
import type { DecisionFile } from './decision-files.ts'
import type { Paper, Papers } from './papers.ts'

/** What went out to a gateway, and everything it rests on. */
export interface DispatchedPlan {
  readonly planDigest: string
  readonly token: Token
  readonly tokenDigest: string
  readonly file: DecisionFile
  readonly decision: Decision
  readonly earlier: readonly { readonly file: DecisionFile; readonly decision: Decision }[]
  readonly records: readonly FiledRecord[]
  readonly approvers: readonly string[]
}

type Fields = Parameters<typeof auditEvent<'intent.accepted'>>[1]

/** One method for each thing that happens to an intent or a record: the audit events and the documents that go with them. */
export class Evidence {
  readonly #papers: Papers
  readonly #authority: Authority

  constructor(papers: Papers, authority: Authority) {
    this.#papers = papers
    this.#authority = authority
  }

  /** The intent itself, and the records that it was judged by. */
  async accepted(record: LiveRecord, intent: string): Promise<void> {
    const event = auditEvent('intent.accepted', this.#fields(record))
    await Promise.all([this.#papers.record(event, [paper(intentMessage, intent, record)]), this.#judgedBy(record)])
  }

  /**
   * How an intent ended of which nothing began. `intent`: where its text is kept and its user is one of the agent's, else nobody's key seals it.
   */
  async ended(record: LiveRecord, intent: string | undefined): Promise<void> {
    const { state, reasons } = record
    const event = auditEvent('intent.refused', {
      ...this.#fields(record),
      reasons: codes(reasons),
      detail: { state },
    })
    await Promise.all([
      this.#judgedBy(record),
      this.#papers.once(
        `end ${record.digest}`,
        event,
        intent === undefined ? [] : [paper(intentMessage, intent, record)],
      ),
    ])
  }

  /** A message that owns no `jti`, signed by a key of the agent in its subject. */
  refused(agentId: string, digest: string, statusId: string, reason: Reason): Promise<void> {
    const fields = { agent_id: agentId, intent_id: statusId, intent_digest: digest, reasons: [reason.code] }
    return this.#papers.once(`refusal ${digest} ${reason.code}`, auditEvent('intent.refused', fields))
  }

  /** A decision with the reports and attestation results that it names. */
  async decided(record: LiveRecord, file: DecisionFile, decision: Decision): Promise<void> {
    const status = decision.outcome === 'allow' ? 'succeeded' : decision.outcome === 'deny' ? 'denied' : 'pending'
    const fields = { ...this.#fields(record), policy: { ...decision.policy }, reasons: codes(decision.reasons) }
    await this.#papers.record(auditEvent('policy.decided', fields, status), [
      { message: decisionMessage, jws: file.decision, under: 'clear' },
      ...file.attestations.map((jws): Paper => ({ message: attestationMessage, jws, under: 'clear' })),
      ...file.reports.map((jws) => paper(reportMessage, jws, record)),
    ])
  }

  approvalRequested(record: LiveRecord, shown: string, approvers: readonly string[]): Promise<void> {
    const detail = { decision_digest: shown, approvers: [...approvers], typ: approvalRequestMessage.typ }
    return this.#papers.once(`request ${shown}`, auditEvent('approval.requested', { ...this.#fields(record), detail }))
  }

  approval(record: LiveRecord, approver: FiledRecord<'approver'>, jws: string, verdict: string): Promise<void> {
    const { user } = approver.record
    const fields = { ...this.#fields(record), approved_by: [this.#papers.pseudonym(user)], detail: { verdict } }
    const event = auditEvent('approval.given', fields, verdict === 'approve' ? 'succeeded' : 'denied')
    return Promise.all([
      this.records([approver]),
      this.#papers.record(event, [{ message: approvalMessage, jws, under: { user } }]),
    ]).then(() => undefined)
  }

  /** G4: resolves when the plans and everything they rest on are durable, the documents first. Until then nothing goes out. */
  async dispatched(record: LiveRecord, intent: string, plans: readonly DispatchedPlan[]): Promise<void> {
    const papers = plans.map(async (plan) => {
      await Promise.all([
        this.records(plan.records),
        this.decided(record, plan.file, plan.decision),
        ...plan.earlier.map(({ file, decision }) => this.decided(record, file, decision)),
        ...plan.file.approvals.map((jws) => this.approvalAgain(record, jws)),
      ])
    })
    const gateways = plans.map(({ token }) => this.#authority.trust.record('gateway', token.aud))
    await Promise.all([this.accepted(record, intent), this.records(gateways), ...papers])
    await Promise.all(
      plans.map((plan) => this.#papers.once(`dispatch ${plan.planDigest}`, this.#dispatchedEvent(record, plan))),
    )
  }

  /** An outcome as its gateway signed it. `late`: another one counts, or its intent is settled; then it is named and not kept. */
  outcome(record: LiveRecord, outcome: Outcome, jws: string): Promise<void> {
    const { gateway_id } = record.steps.find(({ step_id }) => step_id === outcome.step_id) ?? {
      gateway_id: outcome.iss,
    }
    const { reason, device_id, plan_id, token_id, step_id } = outcome
    const fields = {
      ...this.#fields(record),
      gateway_id,
      device_id,
      plan_id,
      reasons: reason === undefined ? [] : [reason.code],
      ...(token_id !== undefined && { token_id }),
      detail: { step_id, outcome_digest: digestOf(jws) },
    }
    return this.#papers.record(outcomeEvent(outcome, fields), [paper(outcomeMessage, jws, record)])
  }

  /** The same, unless it is recorded here: whoever counted it may not have lived to record it. */
  async outcomeOnce(record: LiveRecord, digest: string, read: () => Promise<string | undefined>): Promise<void> {
    if (this.#papers.isRecorded(digest)) return this.#papers.durable(digest)
    const jws = await read()
    if (jws !== undefined) await this.outcome(record, openMessage(outcomeMessage, jws).claims, jws)
  }

  /** An approval that the record counts, if its approver is still known. */
  approvalAgain(record: LiveRecord, jws: string): Promise<void> {
    const { claims, jws: signed } = openMessage(approvalMessage, jws)
    const approval = record.approvals.find(({ digest }) => digest === signed.digest)
    const approver = approval === undefined ? undefined : this.#authority.trust.record('approver', approval.approver_id)
    return approver === undefined ? Promise.resolve() : this.approval(record, approver, jws, claims.verdict)
  }

  lateOutcome(outcome: Outcome, digest: string): Promise<void> {
    const { iss, reason, device_id, plan_id, step_id, intent_digest } = outcome
    const detail = { step_id, outcome_digest: digest, late: true }
    const reasons = reason === undefined ? [] : [reason.code]
    const fields = { gateway_id: iss, device_id, plan_id, intent_digest, reasons, detail }
    return this.#papers.once(digest, outcomeEvent(outcome, fields))
  }

  /** A record as it is filed, or before its first use in this chain. Public keys stand in the clear, so that signatures can be judged. */
  async records(records: readonly (FiledRecord | undefined)[]): Promise<void> {
    await Promise.all(records.flatMap((record) => (record === undefined ? [] : [this.filed(record.value)])))
  }

  async filed(value: string): Promise<void> {
    const { command, cosigns } = parseFiledValue(value)
    const { trust } = this.#authority
    const signers = [command, ...cosigns].map(({ claims }) => claims.iss)
    const { kind, id, version, record } = command.claims
    // Operators' own records are signed by pinned keys, which need none.
    const operators = kind === 'operator' ? [] : signers.map((signer) => trust.valueOf('operator', signer))
    const done = [command, ...cosigns].every(({ jws }) => this.#papers.isDurable(jws.digest))
    if (done && operators.every((held) => held === undefined)) return
    const keys =
      record !== null && 'keys' in record ? { keys: record.keys as PublicJwk[] as unknown as JsonObject[] } : {}
    const event = auditEvent('record.filed', { detail: { kind, id, version, ...keys } })
    await Promise.all([
      ...operators.map((held) => (held === undefined ? undefined : this.filed(held))),
      this.#papers.record(event, [
        { message: commandMessage, jws: command.jws.compact, under: 'records' },
        ...cosigns.map(({ jws }): Paper => ({ message: cosignMessage, jws: jws.compact, under: 'records' })),
      ]),
    ])
  }

  control(step: ControlStep): Promise<void> {
    if (step.kind === 'withheld') return Promise.resolve()
    const { seq, digest } = step
    if (step.kind === 'void') {
      const detail = { seq, body_sha256: digest }
      return this.#papers.once(`control ${seq}`, auditEvent('control.void', { reasons: [step.reason.code], detail }))
    }
    const detail = { seq, digest, ...inTheClear(step.control) }
    const document: Paper = { message: controlMessage, jws: step.compact, under: 'records' }
    return this.#papers.record(auditEvent('control.applied', { detail }), [document])
  }

  #judgedBy({ agent_id, steps }: LiveRecord): Promise<void> {
    const { trust } = this.#authority
    return this.records([
      trust.record('agent', agent_id),
      ...steps.map(({ device_id }) => trust.record('device', device_id)),
    ])
  }

  #dispatchedEvent(record: LiveRecord, plan: DispatchedPlan): NewEvent {
    const { token, decision, file } = plan
    const approvers = plan.approvers.map((user) => this.#papers.pseudonym(user))
    return auditEvent('plan.dispatched', {
      ...this.#fields(record),
      gateway_id: token.aud,
      token_id: token.jti,
      plan_id: token.plan_id,
      approved_by: approvers.length > 0 ? approvers : ['policy'],
      policy: { ...decision.policy },
      detail: {
        plan_digest: plan.planDigest,
        token_digest: plan.tokenDigest,
        decision_digest: digestOf(file.decision),
        earlier: plan.earlier.map(({ file: { decision } }) => digestOf(decision)),
        approvals: file.approvals.map(digestOf),
        attestations: file.attestations.map(digestOf),
        reports: file.reports.map(digestOf),
        records: [...token.records],
        exp: token.exp,
      },
    })
  }

  #fields({ agent_id, intent_id, digest, action, user }: LiveRecord): Fields {
    const fields = { agent_id, intent_id, intent_digest: digest, intent: action }
    return user === undefined ? fields : { ...fields, user: this.#papers.pseudonym(user) }
  }
}

/**
 * What verifiers need to know which signing keys no longer count, without opening the message: thumbprints, roles and numbers. Ids of agents,
 * devices and people stay sealed.
 */
function inTheClear(control: Control): JsonObject {
  const { command, iat } = control
  if (control.command === 'lift') return { command, iat, lifts: control.lifts }
  if (control.command !== 'revoke') return { command, iat }
  const { scope } = control
  return { command, iat, scope, ...((scope === 'key' || scope === 'endorsements') && { id: control.id }) }
}

function paper(message: Paper['message'], jws: string, record: LiveRecord): Paper {
  return { message, jws, under: { user: userOf(record) } }
}

function codes(reasons: readonly Reason[]): Reason['code'][] {
  return [...new Set(reasons.map(({ code }) => code))]
}

function outcomeEvent({ state }: Outcome, fields: Parameters<typeof auditEvent<'action.failed'>>[1]): NewEvent {
  const type: EventType & `action.${string}` = `action.${state}`
  return auditEvent(type, fields)
}
