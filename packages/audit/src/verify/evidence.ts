import { planIdOf } from '@writ/authority'
import type { AuditEvent, Decision, EventType, Intent } from '@writ/contracts'
import {
  approvalMessage,
  attestationMessage,
  commandMessage,
  decisionMessage,
  intentMessage,
  MESSAGES,
  reportMessage,
} from '@writ/contracts'
import { Facts } from './facts.ts'
import type { Findings, Where } from './verdicts.ts'

/** A verified event of a source, with its place in the source's chain. */
export interface PlacedEvent {
  readonly event: AuditEvent
  readonly role: string
  readonly source: string
  /** Grows along the chain: see `EVENT_SLOTS`. */
  readonly position: number
  readonly where: Where
  /** When its message says that it was signed. */
  readonly iat: number
}

/** What an allowing decision rests on beside its intent, by digest and type. */
interface Allowed {
  /** What a plan carries with it. */
  readonly chain: readonly (readonly [typ: string, digest: string])[]
  /** Of all targets and gateways of the intent. */
  readonly records: readonly string[]
  /** By their digests, each once; and how many its obligations demand. */
  readonly approvals: readonly string[]
  readonly approvalsDemanded: number
}

interface Waiting {
  readonly missing: () => string | undefined
  readonly where: Where
  /** When it happened, by the services' time. */
  readonly since: number
}

/** What was durable before an effect has entered the log by the time that services sign this much later: clock differences and queues included. */
const SETTLED_AFTER_SECONDS = 60
/** How far ahead of the services' time an effect's own time is believed. */
const AHEAD_SECONDS_MAX = 3600
/** Who approved a plan, where nobody had to. */
const POLICY = 'policy'
const NO_APPROVALS = { approvals: [], approvalsDemanded: 0 } as const
const SWEEP_AT_LEAST = 1024
/** Ends that only a step can have that began. One that was aborted may not have begun, one that was refused has not. */
const BEGUN: ReadonlySet<EventType> = new Set(['action.started', 'action.succeeded', 'action.failed', 'action.unknown'])

/**
 * Closes the chain of every effect (G6): a plan that was dispatched, a token, a redeem and an action must have in the log the intent, the decision
 * and all that the decision names. Documents of a plan come before it in the chain of the source that dispatched it (G4); for the others the
 * log as a whole is asked, since sources write beside one another. What it must remember of each document, plan, token and redeem does not grow in
 * memory (`Facts`); what decisions name beside their intent is kept once for each combination.
 */
export class Evidence {
  readonly #findings: Findings
  /**
   * Documents by type and digest anywhere in the log, and by source too, at their first place in its chain; the device of a record; who gave an
   * approval of what; the targets of an intent that was opened; the intent of an allowing decision and which of `#allowed` it rests on; token, gateway and records of a plan; plan and
   * digest of a token; redeems.
   */
  readonly #facts = new Facts()
  readonly #allowed: Allowed[] = []
  readonly #allowedAt = new Map<string, number>()
  /** Lists of records that plans name: most name the same few. */
  readonly #planned: (readonly string[])[] = []
  readonly #plannedAt = new Map<string, number>()
  readonly #interned = new Map<string, string>()
  readonly #sources = new Map<string, string>()
  #waiting: Waiting[] = []
  #sweepAt = SWEEP_AT_LEAST
  #serviceSeconds = 0
  effects = 0

  constructor(findings: Findings) {
    this.#findings = findings
  }

  /** A service signed something at this time. */
  serviceTime(seconds: number): void {
    this.#serviceSeconds = Math.max(this.#serviceSeconds, seconds)
  }

  /** A document is there: as a signed message that verified, or sealed, by intent-gateway's word. */
  document(typ: string, digest: string, { event, source, position }: PlacedEvent): void {
    this.#facts.setLowest(nameIn('', typ, digest), 0)
    this.#facts.setLowest(nameIn(this.#numberOf(source), typ, digest), position)
    if (event.type === 'record.filed' && typ === commandMessage.typ && event.detail?.['kind'] === 'device')
      this.#facts.set(`device of ${digest}`, textOf(event.detail['id']))
    const [approver, ...others] = event.approved_by ?? []
    const isApproval = event.type === 'approval.given' && typ === approvalMessage.typ
    if (isApproval && event.detail?.['verdict'] === 'approve' && approver !== undefined && others.length === 0)
      this.#facts.set(`approver of ${digest}`, approvalBy(event.intent_digest, approver))
  }

  /** The content of an intent that verified. */
  intent(digest: string, { targets }: Intent): void {
    this.#facts.set(`targets of ${digest}`, targets.length)
    for (const [at, target] of targets.entries()) this.#facts.set(`target of ${digest}/s${at}`, target)
  }

  /** The content of a decision that verified. */
  decision(digest: string, claims: Decision): void {
    if (claims.outcome !== 'allow') return
    const chain = [
      ...list(
        decisionMessage.typ,
        [claims.first, claims.shown].filter((one) => one !== undefined),
      ),
      ...list(approvalMessage.typ, claims.approvals),
      ...list(attestationMessage.typ, claims.attestations),
      ...list(reportMessage.typ, claims.reports),
    ]
    const records = claims.records.map((one) => this.#intern(one))
    this.#facts.set(`intent of ${digest}`, claims.intent_digest)
    const approvals = [...new Set(claims.approvals)]
    const approvalsDemanded = claims.obligations.approvals?.count ?? 0
    this.#facts.set(`allowed ${digest}`, this.#allowedOf({ chain, records, approvals, approvalsDemanded }))
  }

  #allowedOf(allowed: Allowed): number {
    const name = JSON.stringify(allowed)
    const known = this.#allowedAt.get(name)
    if (known !== undefined) return known
    this.#allowedAt.set(name, this.#allowed.length)
    return this.#allowed.push(allowed) - 1
  }

  #plannedOf(records: readonly string[]): number {
    const name = records.join(' ')
    const known = this.#plannedAt.get(name)
    if (known !== undefined) return known
    this.#plannedAt.set(name, this.#planned.length)
    return this.#planned.push(records.map((one) => this.#intern(one))) - 1
  }

  /** Takes in what an event says of effects, and what it needs. */
  event(placed: PlacedEvent): void {
    const { event } = placed
    if (event.type === 'plan.dispatched') {
      this.#facts.set(`token of ${event.plan_id ?? ''}`, event.token_id ?? '')
      this.#facts.set(`gateway of ${event.plan_id ?? ''}`, event.gateway_id ?? '')
      this.#facts.set(`records of ${event.plan_id ?? ''}`, this.#plannedOf(textsOf(event.detail?.['records'])))
    }
    if (event.type === 'token.issued') {
      this.#facts.set(`plan of ${event.token_id ?? ''}`, event.plan_id ?? '')
      this.#facts.set(`digest of ${event.token_id ?? ''}`, tokenDigestOf(event.detail))
    }
    if (event.type === 'token.redeemed') this.#redeemed(event)
    const misses = this.#missesOf(placed)
    if (misses !== undefined) this.#need(placed, misses)
  }

  /**
   * What an effect lacks, if anything, asked when it comes and again later. Events that do nothing have no such question. The refusal of what was
   * no plan is none; one that names a plan or an intent says how a step ended.
   */
  #missesOf(placed: PlacedEvent): (() => string | undefined) | undefined {
    const { event } = placed
    const { type } = event
    if (type === 'plan.dispatched') return () => this.#planMisses(placed)
    if (type === 'token.issued') return () => this.#tokenMisses(event)
    if (type === 'token.redeemed') return () => this.#redeemMisses(event)
    if (type === 'action.refused' && event.plan_id === undefined && event.intent_digest === undefined) return undefined
    if (type === 'action.aborted' || type === 'action.refused') return () => this.#actionMisses(event)
    if (BEGUN.has(type)) return () => this.#actionMisses(event) ?? this.#beginMisses(event)
    return undefined
  }

  /** The time that services have signed up to, as far as the log was read. */
  get now(): number {
    return this.#serviceSeconds
  }

  /** Whether what was on its way into the log when services signed at `then` is there now. */
  isSettled(then: number): boolean {
    return then + SETTLED_AFTER_SECONDS <= this.#serviceSeconds
  }

  /** Effects that lack something as late as this. `complete`: nothing is on its way any more. Returns how many may still get it. */
  conclude(complete: boolean): number {
    this.#sweep()
    const settled = this.#waiting.filter(({ since }) => complete || this.isSettled(since))
    for (const { where, missing } of settled) this.#findings.add('evidence_missing', where, missing() ?? '')
    this.#facts.close()
    return this.#waiting.length - settled.length
  }

  #need({ where, iat }: PlacedEvent, missing: () => string | undefined): void {
    this.effects += 1
    if (missing() === undefined) return
    const now = this.#serviceSeconds
    this.#waiting.push({ missing, where, since: Math.min(Math.max(iat, now), now + AHEAD_SECONDS_MAX) })
    if (this.#waiting.length >= this.#sweepAt) this.#sweep()
  }

  /** Forgets those that have got what they lacked. Twice as many as remain may come before the next time, so this stays cheap. */
  #sweep(): void {
    this.#waiting = this.#waiting.filter(({ missing }) => missing() !== undefined)
    this.#sweepAt = Math.max(SWEEP_AT_LEAST, 2 * this.#waiting.length)
  }

  #planMisses({ event, source, position }: PlacedEvent): string | undefined {
    const { plan_id = '', intent_digest = '', gateway_id = '', detail } = event
    const what = `The plan ${plan_id}`
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${what} is not the one of its intent and gateway.`
    const decision = textOf(detail?.['decision_digest'])
    const allowed = this.#allowedBy(decision)
    const records = textsOf(detail?.['records'])
    const chain = [
      [intentMessage.typ, intent_digest] as const,
      [decisionMessage.typ, decision] as const,
      ...(allowed?.chain ?? []),
      ...list(commandMessage.typ, records),
    ]
    for (const [typ, digest] of chain) {
      const at = this.#facts.lowest(nameIn(this.#numberOf(source), typ, digest), position)
      if (at === undefined) return `${what} has no ${nameOf(typ)} ${digest} recorded by ${source}.`
      if (at > position) return `${what} was dispatched before its ${nameOf(typ)} ${digest} was recorded.`
    }
    if (records.length === 0) return `${what} names no records.`
    return (
      this.#decisionMisses(what, decision, intent_digest, records) ??
      this.#approversMiss(what, event, allowed ?? NO_APPROVALS) ??
      this.#planTokenMisses(event)
    )
  }

  /** Who approved it, by the plan, are those who gave the approvals that its decision names: as many people as it demands. One may have given two. */
  #approversMiss(
    what: string,
    { approved_by = [], intent_digest }: AuditEvent,
    { approvals, approvalsDemanded }: Pick<Allowed, 'approvals' | 'approvalsDemanded'>,
  ): string | undefined {
    if (approvals.length === 0)
      return approved_by.join(' ') === POLICY
        ? undefined
        : `${what} was dispatched as approved by others than the policy, and its decision names no approvals.`
    const gave = new Set(
      approvals.map((digest) =>
        approved_by.find(
          (approver) => this.#facts.isText(`approver of ${digest}`, approvalBy(intent_digest, approver)) === true,
        ),
      ),
    )
    return !gave.has(undefined) && gave.size === approved_by.length && gave.size >= approvalsDemanded
      ? undefined
      : `${what} was dispatched as approved by others than those who gave the approvals of its decision.`
  }

  #allowedBy(decision: string): Allowed | undefined {
    const at = this.#facts.number(`allowed ${decision}`)
    return at === undefined ? undefined : this.#allowed[at]
  }

  #planTokenMisses({ token_id = '', plan_id }: AuditEvent): string | undefined {
    return this.#facts.isText(`plan of ${token_id}`, plan_id ?? '') === true
      ? undefined
      : `The plan ${plan_id} has no token that was issued for it.`
  }

  /** A decision that allows this intent, by records that are there, these among them. */
  #decisionMisses(
    what: string,
    decision: string,
    intentDigest: string,
    records: readonly string[],
  ): string | undefined {
    const allowed = this.#allowedBy(decision)
    if (allowed === undefined || this.#facts.isText(`intent of ${decision}`, intentDigest) !== true)
      return `${what} rests on no decision that allows its intent.`
    const { approvals, approvalsDemanded } = allowed
    if (approvals.length < approvalsDemanded)
      return `${what} rests on a decision that demands ${approvalsDemanded} approvals and names ${approvals.length}.`
    const notGiven = approvals.find((digest) => this.#facts.isText(`approver of ${digest}`, '') === undefined)
    if (notGiven !== undefined) return `${what} rests on approval ${notGiven}, of which nothing says that it was given.`
    const missing = allowed.records.find((digest) => !this.#has(commandMessage.typ, digest))
    if (missing !== undefined) return `${what} rests on a decision whose record ${missing} is not there.`
    const other = records.find((digest) => !allowed.records.includes(digest))
    return other === undefined ? undefined : `${what} rests on record ${other}, which its decision does not name.`
  }

  #tokenMisses({ token_id, intent_digest = '', gateway_id = '', plan_id, detail }: AuditEvent): string | undefined {
    const what = `The token ${token_id}`
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${what} is not for the plan of its intent and gateway.`
    const decision = textOf(detail?.['decision_digest'])
    const records = textsOf(detail?.['records'])
    const chain = [
      [intentMessage.typ, intent_digest] as const,
      [decisionMessage.typ, decision] as const,
      ...list(commandMessage.typ, records),
    ]
    const missing = chain.find(([typ, digest]) => !this.#has(typ, digest))
    if (missing !== undefined) return `${what} has no ${nameOf(missing[0])} ${missing[1]}.`
    if (records.length === 0) return `${what} names no records.`
    return this.#decisionMisses(what, decision, intent_digest, records)
  }

  #redeemed({ plan_id, detail }: AuditEvent): void {
    this.#facts.set(`redeem ${plan_id ?? ''}`, 1)
    this.#facts.set(`redeem ${plan_id}/${textOf(detail?.['step_id'])}`, 1)
    this.#facts.set(`redeem ${plan_id}/${textOf(detail?.['step_id'])}/${numberOf(detail?.['use'])}`, 1)
  }

  #redeemMisses({ token_id = '', plan_id = '', gateway_id, detail, documents = [] }: AuditEvent): string | undefined {
    const what = `The redeem of token ${token_id}`
    if (documents.length === 0) return `${what} has no message of its gateway.`
    const facts = this.#facts
    if (facts.isText(`plan of ${token_id}`, plan_id) !== true) return `${what} is of no token that was issued.`
    if (facts.isText(`digest of ${token_id}`, tokenDigestOf(detail)) !== true)
      return `${what} is of another token under that id.`
    const dispatched =
      facts.isText(`token of ${plan_id}`, token_id) === true &&
      facts.isText(`gateway of ${plan_id}`, gateway_id ?? '') === true
    return dispatched ? undefined : `${what} is of no plan that was dispatched.`
  }

  #actionMisses(event: AuditEvent): string | undefined {
    const { type, plan_id = '', intent_digest = '', gateway_id = '' } = event
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${type} is about no plan of its intent and gateway.`
    return this.#facts.isText(`gateway of ${plan_id}`, gateway_id) === true
      ? this.#deviceMisses(event)
      : `${type} is about plan ${plan_id}, which was not dispatched.`
  }

  /** The device is one whose record the plan names and, where the intent was opened, the target of its step. A plan is refused as a whole without one. */
  #deviceMisses({ type, plan_id = '', intent_digest = '', device_id, detail }: AuditEvent): string | undefined {
    if (device_id === undefined) return type === 'action.refused' ? undefined : `${type} names no device.`
    const facts = this.#facts
    const records = this.#planned[facts.number(`records of ${plan_id}`) ?? -1] ?? []
    if (!records.some((digest) => facts.isText(`device of ${digest}`, device_id) === true))
      return `${type} is about device ${device_id}, and plan ${plan_id} names no record of it.`
    const step = detail?.['step_id']
    if (step === undefined || facts.number(`targets of ${intent_digest}`) === undefined) return undefined
    return facts.isText(`target of ${intent_digest}/${textOf(step)}`, device_id) === true
      ? undefined
      : `${type} is about device ${device_id}, which its intent does not name for step ${textOf(step)}.`
  }

  /** A step that began was redeemed. */
  #beginMisses({ type, plan_id, detail }: AuditEvent): string | undefined {
    const [step, use] = [detail?.['step_id'], detail?.['use']]
    const name = [
      plan_id,
      ...(step === undefined ? [] : [textOf(step)]),
      ...(step === undefined || use === undefined ? [] : [numberOf(use)]),
    ].join('/')
    return this.#facts.number(`redeem ${name}`) !== undefined
      ? undefined
      : `${type} is about ${name}, which was not redeemed.`
  }

  #has(typ: string, digest: string): boolean {
    return this.#facts.lowest(nameIn('', typ, digest), 0) !== undefined
  }

  /** Sources are few and their names long. */
  #numberOf(source: string): string {
    const known = this.#sources.get(source) ?? String(this.#sources.size)
    this.#sources.set(source, known)
    return known
  }

  /** Records are named by many decisions: one string for all. */
  #intern(digest: string): string {
    const known = this.#interned.get(digest)
    if (known !== undefined) return known
    if (this.#interned.size < 100_000) this.#interned.set(digest, digest)
    return digest
  }
}

function list(typ: string, digests: readonly string[]): (readonly [string, string])[] {
  return digests.map((digest) => [typ, digest] as const)
}

/** A document of a source (`''`: of any), in few characters: there are many. */
function nameIn(source: string, typ: string, digest: string): string {
  return `${source}/${MESSAGES.findIndex((message) => message.typ === typ)}/${digest}`
}

/** `writ-intent+jwt` for people: `intent`. */
function nameOf(typ: string): string {
  return typ === commandMessage.typ ? 'record' : typ.replace(/^writ-/, '').replace(/\+jwt$/, '')
}

/** An approval's approver, a pseudonym, with what was approved. */
const approvalBy = (intentDigest: string | undefined, approver: string): string => `${intentDigest} ${approver}`

/** Of anything that is no text, what no text is. */
const tokenDigestOf = (detail: AuditEvent['detail']): string => String(JSON.stringify(detail?.['token_digest']))
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(textOf) : [])
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const numberOf = (value: unknown): string => (typeof value === 'number' ? String(value) : '')
