import { setTimeout as delay } from 'node:timers/promises'
import { type Authority, type GatewayIdentity, type VerifiedPlan, verifyPlan } from '@writ/authority'
import { type Delivery, inSpan, type Span } from '@writ/bus'
import { Fault, isFault, KEY_WAIT_MS, type Reason, type ReasonCode } from '@writ/contracts'
import { requestDigest } from '@writ/keys'
import type { Guard } from '../authority/guard.ts'
import { type Clock, nowSeconds } from '../clock.ts'
import { isDone, knowsSteps, outcomesOf, type PlanState, unstored } from '../core/journal-state.ts'
import { lacksSigner } from '../core/lacks-signer.ts'
import { factsOfRefused, type PlanFacts } from '../core/plan-facts.ts'
import type { PlanJournal } from '../journal/plan-journal.ts'
import type { Log } from '../log.ts'
import type { GatewayAudit } from '../outcomes/gateway-audit.ts'
import type { OutcomeBook } from '../outcomes/outcome-book.ts'
import type { OutcomeSender } from '../outcomes/outcome-sender.ts'
import type { PlanRunner } from './plan-runner.ts'

export interface PlanIntakeOptions {
  readonly gateway: GatewayIdentity
  readonly guard: Guard
  readonly journal: PlanJournal
  readonly runner: PlanRunner
  readonly book: OutcomeBook
  readonly sender: OutcomeSender
  readonly audit: GatewayAudit
  readonly clock: Clock
  readonly stopping: AbortSignal
  readonly log: Log
}

const WORKING_EVERY_MS = 10_000
const KEY_RETRY_MS = 250
const UNAVAILABLE_DELAY_MS = 2000
/** For the next run of this gateway, which may be there at once. */
const STOPPING_DELAY_MS = 100
const IN_HAND_DELAY_MS = 5000
/** What time or an operator does to a plan that was good. */
const LAPSED: ReadonlySet<ReasonCode> = new Set(['expired', 'token_expired', 'revoked', 'quarantined'])
/** A plan whose signers stay unknown must not keep others from being looked at. */
const UNKNOWN_KEY_DELAY_MS = 30_000

/** What becomes of a delivered plan. It is held while it is worked on; whatever is left open makes it come again. */
export class PlanIntake {
  readonly #options: PlanIntakeOptions
  readonly #inHand = new Map<string, Promise<void>>()
  readonly #refused = new Set<string>()

  constructor(options: PlanIntakeOptions) {
    this.#options = options
  }

  async handle(delivery: Delivery): Promise<void> {
    const holding = setInterval(() => delivery.working(), WORKING_EVERY_MS)
    try {
      await inSpan('plan', { parent: delivery.trace, kind: 'consumer' }, (span) =>
        this.#judge({ ...delivery, trace: span.trace }, span),
      )
    } catch (error) {
      if (!isFault(error)) throw error
      this.#options.log.warn({ err: error, plan_digest: requestDigest(delivery.data) }, 'A plan waits.')
      delivery.nak(this.#delayMs(error))
    } finally {
      clearInterval(holding)
    }
  }

  #delayMs({ code }: Fault): number {
    if (this.#options.stopping.aborted) return STOPPING_DELAY_MS
    return code === 'unknown_key' ? UNKNOWN_KEY_DELAY_MS : UNAVAILABLE_DELAY_MS
  }

  async #judge(delivery: Delivery, span: Span): Promise<void> {
    const { journal, guard } = this.#options
    const digest = requestDigest(delivery.data)
    const done = journal.doneByDigest(digest)
    if (done !== undefined) return this.#sayAgain(done, delivery)
    await guard.refresh()
    const verified = inSpan('verify', { parent: span.trace }, () => this.#verified(delivery.data))
    const plan = await verified.catch((error: unknown) => {
      if (isFault(error) && !isOpen(error, guard.authority, delivery.data, this.#now())) return error
      throw error
    })
    if (plan instanceof Fault) {
      span.set({ 'writ.code': plan.code })
      return this.#refuse(delivery, digest, plan.reason)
    }
    const { plan_id } = plan.plan.claims
    span.set({ 'writ.plan_id': plan_id, 'writ.intent_digest': plan.chain.intent.jws.digest })
    // The broker may send a plan once more while it is worked on: that copy does not keep a hand waiting.
    if (this.#inHand.has(plan_id)) return delivery.nak(IN_HAND_DELAY_MS)
    return this.#inTurn(plan_id, () => this.#run(plan, delivery))
  }

  /** One delivery of a plan at a time, however often and in whatever signature it comes. */
  async #inTurn(planId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#inHand.get(planId) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#inHand.set(planId, mine)
    try {
      await mine
    } finally {
      if (this.#inHand.get(planId) === mine) this.#inHand.delete(planId)
    }
  }

  async #run(plan: VerifiedPlan, delivery: Delivery): Promise<void> {
    const { runner, journal, log } = this.#options
    const known = journal.plan(plan.plan.claims.plan_id)
    await runner.run(plan, delivery.trace)
    if (known !== undefined && isDone(known) && knowsSteps(known, plan.plan.claims.steps))
      return this.#sayAgain(known, delivery)
    const ended = journal.plan(plan.plan.claims.plan_id)
    await this.#whenStored(ended === undefined ? [] : this.#sendAgain(ended))
    if (!(await delivery.ack())) log.warn({ plan_id: plan.plan.claims.plan_id }, 'A plan that is done may come again.')
    await journal
      .compactIfWorth(this.#now())
      .catch((error: unknown) => log.warn({ err: error }, 'The journal cannot be compacted.'))
  }

  async #sayAgain(done: PlanState, delivery: Delivery): Promise<void> {
    await this.#whenStored(this.#sendAgain(done, outcomesOf(done)))
    await delivery.ack()
  }

  #sendAgain(plan: PlanState, outcomes = unstored(plan)): readonly Promise<void>[] {
    return outcomes.map((outcome) => this.#options.sender.send(outcome))
  }

  /** Throws Fault `unavailable` when the gateway stops before. */
  async #whenStored(stored: readonly Promise<void>[]): Promise<void> {
    const { stopping } = this.#options
    let stop: () => void = () => undefined
    const stopped = new Promise<void>((resolve) => {
      stop = resolve
      stopping.addEventListener('abort', stop)
    })
    if (stopping.aborted) stop()
    try {
      await Promise.race([Promise.all(stored), stopped.then(() => delay(STOP_DRAIN_MS, undefined))])
    } finally {
      stopping.removeEventListener('abort', stop)
    }
    if (this.#options.sender.waiting > 0) stopping.throwIfAborted()
  }

  /** A signer that is not known yet may be about to be: it is asked for again for a while. */
  async #verified(body: Uint8Array): Promise<VerifiedPlan> {
    const { guard, gateway, clock } = this.#options
    const until = clock.monotonicMs() + KEY_WAIT_MS
    for (;;) {
      try {
        return refuseAgentDelivery(verifyPlan(guard.authority, body, gateway, this.#now()))
      } catch (error) {
        const wait = isFault(error) && error.code === 'unknown_key' && clock.monotonicMs() < until
        if (!isFault(error)) throw new Fault('internal', { message: 'The plan cannot be read.', cause: error })
        if (!wait || !lacksSigner(guard.authority, body, this.#now())) throw error
      }
      await delay(KEY_RETRY_MS)
      await guard.refresh()
    }
  }

  /** The audit record first, then the outcomes, where the sender may be told; then the plan ends. */
  async #refuse(delivery: Delivery, digest: string, reason: Reason): Promise<void> {
    const { guard, gateway, audit, log } = this.#options
    const facts = factsOfRefused(guard.authority, delivery.data, gateway.id)
    // Sent again, with other bytes, to hear how it ended: that may well be after its end. Whatever else is wrong with it is refused.
    const lapsed = LAPSED.has(reason.code) && facts !== undefined
    const known = lapsed ? this.#options.journal.plan(facts.plan_id) : undefined
    if (known !== undefined && isDone(known)) return this.#sayAgain(known, delivery)
    if (!this.#refused.has(digest)) await audit.refusedPlan(digest, reason.code, facts)
    remember(this.#refused, digest)
    log.warn({ plan_digest: digest, plan_id: facts?.plan_id, reason: reason.code }, 'A plan is refused.')
    if (facts !== undefined) await this.#inTurn(facts.plan_id, () => this.#refuseSteps(facts, reason, delivery))
    delivery.term(reason.code)
  }

  /** Steps that ended before keep their outcomes. */
  async #refuseSteps(facts: PlanFacts, reason: Reason, { trace }: Delivery): Promise<void> {
    const { journal, book } = this.#options
    if (journal.plan(facts.plan_id) === undefined) await journal.takeOn(facts)
    const known = journal.plan(facts.plan_id)
    const hasEnded = (id: string) =>
      journal.plan(facts.plan_id)?.steps.some((step) => step.step_id === id && step.final)
    for (const { step_id, device_id } of known?.steps ?? []) {
      // A forged plan may name a step twice: it is told once.
      if (hasEnded(step_id)) continue
      const ref = { facts: known?.facts ?? facts, step: { step_id, device_id }, trace }
      await book.end(ref, { state: 'refused', reason }, 'recorded')
    }
    const ended = journal.plan(facts.plan_id)
    await this.#whenStored(ended === undefined ? [] : this.#sendAgain(ended))
  }

  #now(): number {
    return nowSeconds(this.#options.clock)
  }
}

const STOP_DRAIN_MS = 3000
const REFUSED_MAX = 1000

/** Whether a refusal may yet turn out otherwise, so that the plan waits. */
function isOpen(fault: Fault, authority: Authority, body: Uint8Array, now: number): boolean {
  return fault.code === 'unavailable' || (fault.code === 'unknown_key' && lacksSigner(authority, body, now))
}

function refuseAgentDelivery(plan: VerifiedPlan): VerifiedPlan {
  if (plan.token.claims.cnf.act === undefined && plan.chain.intent.claims.delivery !== 'agent') return plan
  throw new Fault('constraint_failed', { message: 'This gateway does not serve plans that an agent presents.' })
}

/** Bounded: what is forgotten is only recorded once more. */
function remember(set: Set<string>, value: string): void {
  set.add(value)
  const oldest = set.values().next().value
  if (set.size > REFUSED_MAX && oldest !== undefined) set.delete(oldest)
}
