import { setTimeout as delay } from 'node:timers/promises'
import type { VerifiedPlan } from '@writ/authority'
import { startSpan } from '@writ/bus'
import { BEGIN_WITHIN_MS, Fault, isFault, type Reason, type Rev } from '@writ/contracts'
import type { ActionHandler } from '../action.ts'
import type { Guard } from '../authority/guard.ts'
import { type Clock, nowSeconds } from '../clock.ts'
import { type KeptOutcome, nextUse } from '../core/journal-state.ts'
import type { PlanJournal } from '../journal/plan-journal.ts'
import type { Log } from '../log.ts'
import type { End, OutcomeBook, StepRef } from '../outcomes/outcome-book.ts'
import type { BeginChecks } from './begin-checks.ts'
import { closeOpenTries } from './close-open-tries.ts'
import type { DeviceLocks } from './device-locks.ts'
import type { Redeemer } from './redeemer.ts'
import { type ActionEnd, runAction } from './run-action.ts'
import type { RunningSteps } from './running-steps.ts'

export interface StepRunnerOptions {
  readonly actions: Readonly<Record<string, ActionHandler>>
  readonly guard: Guard
  readonly checks: BeginChecks
  readonly redeemer: Redeemer
  readonly book: OutcomeBook
  readonly journal: PlanJournal
  readonly running: RunningSteps
  readonly devices: DeviceLocks
  readonly clock: Clock
  /** Aborts when the gateway stops: nothing is begun any more. */
  readonly stopping: AbortSignal
  /** A step has changed a device, perhaps. */
  readonly touched: (deviceId: string) => void
  readonly log: Log
}

/** How one step, or one try of it, ended here, and when the stream has its outcome. */
export interface StepEnd {
  readonly outcome: KeptOutcome
  readonly stored: Promise<void>
}

type TryRef = StepRef & { readonly use: number }

const GRACE_MS = 5000
const RETRY_MS = 1000
const NO_HANDLER: Reason = { code: 'unavailable', message: 'This gateway does not carry out the action.' }
const TOO_LATE: Reason = { code: 'too_late', message: 'The step could not begin in time after its use was asked for.' }

/**
 * One step, from its first check to its last outcome. Throws Fault `unavailable` when it could not go on and has begun nothing: the
 * plan comes again.
 */
export class StepRunner {
  readonly #options: StepRunnerOptions

  constructor(options: StepRunnerOptions) {
    this.#options = options
  }

  async run(plan: VerifiedPlan, ref: StepRef): Promise<StepEnd> {
    const deviceId = ref.step.device_id
    const release = await this.#options.devices.take(deviceId, this.#options.stopping)
    let free: Promise<void> = Promise.resolve()
    const holdUntil = (settled: Promise<void>): void => {
      free = settled
    }
    try {
      await closeOpenTries(this.#options.book, this.#stepState(ref), ref)
      for (;;) {
        this.#options.stopping.throwIfAborted()
        const { final } = this.#stepState(ref)
        if (final !== undefined) return { outcome: final, stored: Promise.resolve() }
        const use = nextUse(this.#stepState(ref))
        const end = await this.#try(plan, { ...ref, use }, holdUntil)
        if (end?.outcome.final === true) return end
        await (end?.stored ?? this.#pause())
      }
    } finally {
      void free.then(release)
      this.#options.touched(deviceId)
    }
  }

  #stepState({ facts, step }: StepRef) {
    const state = this.#options.journal.plan(facts.plan_id)?.steps.find(({ step_id }) => step_id === step.step_id)
    if (state === undefined) throw new Fault('internal', { message: 'A step runs that the journal does not know.' })
    return state
  }

  /** 1. What speaks against it. 2. Redeem. 3. What has come to speak against it since. 4. Begin. Undefined: nobody heard the redeem. */
  async #try(
    plan: VerifiedPlan,
    ref: TryRef,
    holdUntil: (settled: Promise<void>) => void,
  ): Promise<StepEnd | undefined> {
    const { checks, clock, redeemer } = this.#options
    const { use: _, ...untried } = ref
    const handler = Object.hasOwn(this.#options.actions, ref.facts.action)
      ? this.#options.actions[ref.facts.action]
      : undefined
    if (handler === undefined) return this.#refuse(untried, NO_HANDLER)
    const refusal = await checks.refusal(plan, ref.step.device_id, nowSeconds(clock))
    if (refusal !== undefined) return this.#refuse(untried, refusal)
    const redemption = await redeemer.redeem(ref, plan.token.jws.digest)
    switch (redemption.kind) {
      case 'unheard':
        await this.#options.journal.unheard(ref.facts.plan_id, ref.step.step_id, ref.use)
        return undefined
      case 'silent':
        return this.#refuse(ref, TOO_LATE)
      case 'refused':
        return this.#refuse(ref, redemption.reason)
      case 'redeemed':
        return this.#begin(plan, ref, handler, redemption, holdUntil)
    }
  }

  async #begin(
    plan: VerifiedPlan,
    ref: TryRef,
    handler: ActionHandler,
    { sentAtMs, revHead }: { readonly sentAtMs: number; readonly revHead: Rev },
    holdUntil: (settled: Promise<void>) => void,
  ): Promise<StepEnd> {
    const { checks, clock, book } = this.#options
    const deadlineMs = sentAtMs + BEGIN_WITHIN_MS
    if (!(await this.#appliedUpTo(revHead, deadlineMs))) return this.#refuse(ref, TOO_LATE)
    const refusal = checks.revoked(plan) ?? (await checks.unbound(plan, ref.step.device_id))
    if (refusal !== undefined) return this.#refuse(ref, refusal)
    if (clock.monotonicMs() >= deadlineMs) return this.#refuse(ref, TOO_LATE)
    const started = await book.begin(ref)
    // Writing takes time, and CONTROL may have moved on: nothing between here and the handler waits.
    const revoked = checks.revoked(plan)
    if (revoked !== undefined) return this.#refuse(ref, revoked)
    if (clock.monotonicMs() >= deadlineMs) return this.#refuse(ref, TOO_LATE)
    try {
      book.announce(ref, started)
    } catch (error) {
      if (!isFault(error)) throw error
      return this.#refuse(ref, error.reason)
    }
    return this.#run(plan, ref, handler, deadlineMs, holdUntil)
  }

  async #run(
    plan: VerifiedPlan,
    ref: TryRef,
    handler: ActionHandler,
    deadlineMs: number,
    holdUntil: (settled: Promise<void>) => void,
  ): Promise<StepEnd> {
    const { clock, running, log } = this.#options
    const { obligations } = plan.chain.decision.claims
    const startedAt = nowSeconds(clock)
    const attributes = { 'writ.plan_id': ref.facts.plan_id, 'writ.step_id': ref.step.step_id }
    const span = startSpan('action', { parent: ref.trace, attributes })
    const action = runAction(handler, contextOf(plan, { ...ref, trace: span.trace }, deadlineMs), {
      maxRunMs: obligations.max_run_s * 1000,
      graceMs: GRACE_MS,
      redact: obligations.redact ?? [],
    })
    const { plan_id } = ref.facts
    const { step_id } = ref.step
    const remove = running.add({
      plan_id,
      step_id,
      rev: plan.token.claims.rev,
      touched: plan.touched,
      stop: action.stop,
    })
    holdUntil(action.settled.then(remove))
    const end = await action.ended
    span.set({ 'writ.state': end.state, ...(end.state !== 'succeeded' && { 'writ.code': end.reason.code }) })
    span.end()
    if (end.state !== 'succeeded')
      log.warn({ plan_id, step_id, reason: end.reason.code, err: end.error }, 'An action did not succeed.')
    return this.#end(ref, endOf(end, startedAt))
  }

  /** Throws away no outcome: while the journal cannot take it, it is tried again. */
  async #end(ref: StepRef, end: End): Promise<StepEnd> {
    for (;;) {
      try {
        return await this.#options.book.end(ref, end)
      } catch (error) {
        if (!isFault(error) || error.code !== 'unavailable') throw error
        this.#options.log.error({ err: error }, 'An outcome cannot be written down.')
        await this.#pause()
      }
    }
  }

  #refuse(ref: StepRef, reason: Reason): Promise<StepEnd> {
    return this.#end(ref, { state: 'refused', reason })
  }

  /** Whether everything that token-issuer had applied is applied here, in time. What is not there yet is read. */
  async #appliedUpTo(revHead: Rev, deadlineMs: number): Promise<boolean> {
    const { guard, clock, log } = this.#options
    const { control } = guard.authority
    const { stream, seq } = revHead
    if (guard.holds(revHead)) return true
    while (clock.monotonicMs() < deadlineMs) {
      await Promise.race([
        guard.refresh().catch((error: unknown) => log.warn({ err: error }, 'CONTROL cannot be read.')),
        delay(Math.max(0, deadlineMs - clock.monotonicMs())),
      ])
      if (control.stream !== stream) return false
      if (control.missing === undefined && control.seq >= seq) return true
      await delay(20)
    }
    return false
  }

  /** Throws Fault `unavailable` when the gateway stops. */
  async #pause(): Promise<void> {
    const { stopping } = this.#options
    await delay(RETRY_MS, undefined, { signal: stopping }).catch(() => stopping.throwIfAborted())
  }
}

function endOf(end: ActionEnd, startedAt: number): End {
  if (end.state === 'succeeded')
    return { state: end.state, startedAt, ...(end.result !== undefined && { result: end.result }) }
  return { state: end.state, startedAt, reason: end.reason }
}

function contextOf({ chain, plan }: VerifiedPlan, ref: TryRef, deadlineMs: number) {
  const { claims, jws } = chain.intent
  return {
    action: claims.action,
    deviceId: ref.step.device_id,
    params: structuredClone(claims.params ?? {}),
    agentId: claims.iss,
    onBehalfOf: claims.on_behalf_of,
    purpose: claims.purpose,
    intentId: claims.jti,
    intentDigest: jws.digest,
    planId: plan.claims.plan_id,
    stepId: ref.step.step_id,
    deadlineToBegin: deadlineMs,
    traceparent: ref.trace?.traceparent ?? '',
  }
}
