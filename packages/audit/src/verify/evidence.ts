import { planIdOf } from '@writ/authority'
import type { AuditEvent, Decision } from '@writ/contracts'
import {
  approvalMessage,
  attestationMessage,
  commandMessage,
  decisionMessage,
  intentMessage,
  reportMessage,
} from '@writ/contracts'
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

/** What an allowing decision rests on, by digest and type. */
interface Allowed {
  readonly intent: string
  readonly needs: readonly (readonly [typ: string, digest: string])[]
}

interface Waiting {
  readonly missing: () => string | undefined
  readonly where: Where
  /** Once a service has signed something this late, what must be there would be there. */
  readonly settlesAt: number
}

/** What was durable before an effect has entered the log by the time that services sign this much later: clock differences and queues included. */
const SETTLED_AFTER_SECONDS = 60
/** How far ahead of the services' time an effect's own time is believed. */
const AHEAD_SECONDS_MAX = 3600
const SWEEP_AT_LEAST = 1024

/** Digests with a number each. A JavaScript map holds 2^24 entries: shards make it 2^30. */
class DigestMap {
  readonly #shards: readonly Map<string, number>[] = Array.from({ length: 64 }, () => new Map<string, number>())
  get(name: string): number | undefined {
    return this.#shard(name).get(name)
  }
  /** Keeps the lower number. */
  setLowest(name: string, value: number): void {
    const shard = this.#shard(name)
    shard.set(name, Math.min(value, shard.get(name) ?? value))
  }
  #shard(name: string): Map<string, number> {
    return this.#shards[(name.charCodeAt(name.length - 2) + name.charCodeAt(name.length - 3) * 7) % 64] as Map<
      string,
      number
    >
  }
}

/**
 * Closes the chain of every effect (G6): a plan that was dispatched, a token, a redeem and an action must have in the log the intent, the decision
 * and all that the decision names. Documents of a plan come before it in the chain of the source that dispatched it (G4); for the others the
 * log as a whole is asked, since sources write beside one another. Holds some 200 bytes for each document, plan and redeem.
 */
export class Evidence {
  readonly #findings: Findings
  /** Documents by type and digest anywhere in the log, and by source too, at their first place in its chain. */
  readonly #documents = new DigestMap()
  readonly #allowed = new Map<string, Allowed>()
  readonly #plans = new Map<string, { readonly tokenId: string; readonly gatewayId: string }>()
  readonly #tokens = new Map<string, { readonly planId: string; readonly digest: unknown }>()
  readonly #redeems = new Set<string>()
  readonly #interned = new Map<string, string>()
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
  document(typ: string, digest: string, { source, position }: PlacedEvent): void {
    this.#documents.setLowest(`${typ} ${digest}`, 0)
    this.#documents.setLowest(`${source} ${typ} ${digest}`, position)
  }

  /** The content of a decision that verified. */
  decision(digest: string, claims: Decision): void {
    if (claims.outcome !== 'allow') return
    const named = [
      ...list(
        decisionMessage.typ,
        [claims.first, claims.shown].filter((one) => one !== undefined),
      ),
      ...list(approvalMessage.typ, claims.approvals),
      ...list(attestationMessage.typ, claims.attestations),
      ...list(reportMessage.typ, claims.reports),
      ...list(commandMessage.typ, claims.records),
    ] as const
    const needs = named.map(([typ, one]) => [typ, this.#intern(one)] as const)
    this.#allowed.set(digest, { intent: claims.intent_digest, needs })
  }

  /** Takes in what an event says of effects, and what it needs. */
  event(placed: PlacedEvent): void {
    const { event } = placed
    if (event.type === 'plan.dispatched')
      this.#plans.set(event.plan_id ?? '', { tokenId: event.token_id ?? '', gatewayId: event.gateway_id ?? '' })
    if (event.type === 'token.issued')
      this.#tokens.set(event.token_id ?? '', { planId: event.plan_id ?? '', digest: event.detail?.['token_digest'] })
    if (event.type === 'token.redeemed') this.#redeemed(event)
    const misses = this.#missesOf(placed)
    if (misses !== undefined) this.#need(placed, misses)
  }

  /** What an effect lacks, if anything, asked when it comes and again later. Events that do nothing have no such question: a refusal is none. */
  #missesOf(placed: PlacedEvent): (() => string | undefined) | undefined {
    const { event } = placed
    switch (event.type) {
      case 'plan.dispatched':
        return () => this.#planMisses(placed)
      case 'token.issued':
        return () => this.#tokenMisses(event)
      case 'token.redeemed':
        return () => this.#redeemMisses(event)
      case 'action.started':
      case 'action.succeeded':
      case 'action.failed':
      case 'action.unknown':
        return () => this.#actionMisses(event) ?? this.#beginMisses(event)
      case 'action.aborted':
        return () => this.#actionMisses(event)
      default:
        return undefined
    }
  }

  /** Effects that lack something as late as this. `complete`: nothing is on its way any more. Returns how many may still get it. */
  conclude(complete: boolean): number {
    this.#sweep()
    const settled = this.#waiting.filter(({ settlesAt }) => complete || settlesAt <= this.#serviceSeconds)
    for (const { where, missing } of settled) this.#findings.add('evidence_missing', where, missing() ?? '')
    return this.#waiting.length - settled.length
  }

  #need({ where, iat }: PlacedEvent, missing: () => string | undefined): void {
    this.effects += 1
    if (missing() === undefined) return
    const now = this.#serviceSeconds
    const settlesAt = Math.min(Math.max(iat, now), now + AHEAD_SECONDS_MAX) + SETTLED_AFTER_SECONDS
    this.#waiting.push({ missing, where, settlesAt })
    if (this.#waiting.length >= this.#sweepAt) this.#sweep()
  }

  /** Forgets those that have got what they lacked. Twice as many as remain may come before the next time, so this stays cheap. */
  #sweep(): void {
    this.#waiting = this.#waiting.filter(({ missing }) => missing() !== undefined)
    this.#sweepAt = Math.max(SWEEP_AT_LEAST, 2 * this.#waiting.length)
  }

  #planMisses({ event, source, position }: PlacedEvent): string | undefined {
    const { plan_id = '', intent_digest = '', gateway_id = '', token_id = '', detail } = event
    const what = `The plan ${plan_id}`
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${what} is not the one of its intent and gateway.`
    const decision = textOf(detail?.['decision_digest'])
    const allowed = this.#allowed.get(decision)
    const chain: [string, string][] = [
      [intentMessage.typ, intent_digest],
      [decisionMessage.typ, decision],
    ]
    for (const [typ, digest] of [...chain, ...(allowed?.needs ?? [])]) {
      const at = this.#documents.get(`${source} ${typ} ${digest}`)
      if (at === undefined) return `${what} has no ${nameOf(typ)} ${digest} recorded by ${source}.`
      if (at > position) return `${what} was dispatched before its ${nameOf(typ)} ${digest} was recorded.`
    }
    if (allowed === undefined) return `${what} names a decision that does not allow it.`
    if (allowed.intent !== intent_digest) return `${what} names a decision about another intent.`
    return this.#tokens.get(token_id)?.planId === plan_id ? undefined : `${what} has no token that was issued for it.`
  }

  #tokenMisses({ token_id, intent_digest = '', gateway_id = '', plan_id, detail }: AuditEvent): string | undefined {
    const what = `The token ${token_id}`
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${what} is not for the plan of its intent and gateway.`
    const decision = textOf(detail?.['decision_digest'])
    const records = detail?.['records']
    const chain = [
      [intentMessage.typ, intent_digest],
      [decisionMessage.typ, decision],
      ...(Array.isArray(records) ? records.map((digest) => [commandMessage.typ, textOf(digest)]) : []),
    ] as [string, string][]
    const missing = chain.find(([typ, digest]) => !this.#has(typ, digest))
    if (missing !== undefined) return `${what} has no ${nameOf(missing[0])} ${missing[1]}.`
    if (!Array.isArray(records) || records.length === 0) return `${what} names no records.`
    return this.#allowed.get(decision)?.intent === intent_digest
      ? undefined
      : `${what} rests on no decision that allows its intent.`
  }

  #redeemed({ plan_id, detail }: AuditEvent): void {
    this.#redeems.add(plan_id ?? '')
    this.#redeems.add(`${plan_id}/${textOf(detail?.['step_id'])}`)
    this.#redeems.add(`${plan_id}/${textOf(detail?.['step_id'])}/${numberOf(detail?.['use'])}`)
  }

  #redeemMisses({ token_id = '', plan_id = '', gateway_id, detail, documents = [] }: AuditEvent): string | undefined {
    const what = `The redeem of token ${token_id}`
    if (documents.length === 0) return `${what} has no message of its gateway.`
    const token = this.#tokens.get(token_id)
    if (token === undefined || token.planId !== plan_id) return `${what} is of no token that was issued.`
    if (token.digest !== detail?.['token_digest']) return `${what} is of another token under that id.`
    const plan = this.#plans.get(plan_id)
    return plan?.tokenId === token_id && plan.gatewayId === gateway_id
      ? undefined
      : `${what} is of no plan that was dispatched.`
  }

  #actionMisses({ type, plan_id = '', intent_digest = '', gateway_id = '' }: AuditEvent): string | undefined {
    if (plan_id !== planIdOf(intent_digest, gateway_id)) return `${type} is about no plan of its intent and gateway.`
    return this.#plans.get(plan_id)?.gatewayId === gateway_id
      ? undefined
      : `${type} is about plan ${plan_id}, which was not dispatched.`
  }

  /** A step that began was redeemed. */
  #beginMisses({ type, plan_id, detail }: AuditEvent): string | undefined {
    const [step, use] = [detail?.['step_id'], detail?.['use']]
    const name = [
      plan_id,
      ...(step === undefined ? [] : [textOf(step)]),
      ...(step === undefined || use === undefined ? [] : [numberOf(use)]),
    ].join('/')
    return this.#redeems.has(name) ? undefined : `${type} is about ${name}, which was not redeemed.`
  }

  #has(typ: string, digest: string): boolean {
    return this.#documents.get(`${typ} ${digest}`) !== undefined
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

/** `writ-intent+jwt` for people: `intent`. */
function nameOf(typ: string): string {
  return typ === commandMessage.typ ? 'record' : typ.replace(/^writ-/, '').replace(/\+jwt$/, '')
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const numberOf = (value: unknown): string => (typeof value === 'number' ? String(value) : '')
