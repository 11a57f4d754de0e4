import type { Trace } from '@writ/bus'
import { type Outcome, type OutcomeState, outcomeMessage, type Reason } from '@writ/contracts'
import { digestOf, openMessage, type Signer, signMessage } from '@writ/keys'
import { type Clock, nowSeconds } from '../clock.ts'
import type { SignedResult } from '../core/action-result.ts'
import type { KeptOutcome } from '../core/journal-state.ts'
import type { PlanFacts, StepFacts } from '../core/plan-facts.ts'
import type { PlanJournal } from '../journal/plan-journal.ts'
import type { GatewayAudit } from './gateway-audit.ts'
import type { OutcomeSender } from './outcome-sender.ts'

/** The step that an outcome is about, and which use of the token. */
export interface StepRef {
  readonly facts: PlanFacts
  readonly step: StepFacts
  readonly use?: number
  readonly trace?: Trace | undefined
}

export interface End {
  readonly state: Exclude<OutcomeState, 'started'>
  readonly reason?: Reason
  readonly result?: SignedResult
  readonly startedAt?: number
}

export interface OutcomeBookOptions {
  readonly gatewayId: string
  readonly audience: string
  readonly signer: Signer
  readonly clock: Clock
  readonly journal: Pick<PlanJournal, 'started' | 'ended'>
  readonly sender: Pick<OutcomeSender, 'send'>
  readonly audit: GatewayAudit
}

/** Signs what came of each step, keeps it, records it and sends it. */
export class OutcomeBook {
  readonly #options: OutcomeBookOptions

  constructor(options: OutcomeBookOptions) {
    this.#options = options
  }

  /** The `started` outcome, durable in the journal and told to nobody yet: `announce` does, when the step really begins. */
  async begin(ref: StepRef): Promise<KeptOutcome> {
    const now = nowSeconds(this.#options.clock)
    const kept = await this.#sign(ref, 'started', false, { started_at: now })
    await this.#options.journal.started(kept)
    return kept
  }

  /** Throws Fault `unavailable` when the audit outbox has no room: then the step must not begin. */
  announce(ref: StepRef, started: KeptOutcome): void {
    this.#options.audit.action('action.started', ref)
    void this.#options.sender.send(started, ref.trace)
  }

  /**
   * How a step, or one try of it, ended. Returns when the outcome is durable here; `stored` resolves when the stream has it. Throws Fault
   * `unavailable` when the journal cannot take it. `audit`: whether an event says so already.
   */
  async end(
    ref: StepRef,
    { state, reason, result, startedAt }: End,
    audit: 'recorded' | 'to be recorded' = 'to be recorded',
  ): Promise<{ readonly outcome: KeptOutcome; readonly stored: Promise<void> }> {
    const final = !(state === 'refused' && canBeTriedAgain(ref, reason))
    const outcome = await this.#sign(ref, state, final, {
      ...(reason !== undefined && { reason }),
      ...result,
      ...(startedAt !== undefined && { started_at: startedAt }),
      finished_at: nowSeconds(this.#options.clock),
    })
    await this.#options.journal.ended(outcome)
    // Whoever hears of the outcome shall find its event in the log, also if this process ends now and its bus is away.
    if (audit === 'to be recorded') await this.#options.audit.ended(ref, state, reason?.code)
    return { outcome, stored: this.#options.sender.send(outcome, ref.trace) }
  }

  /**
   * After a restart: an outcome that was written down, and that the process may have been killed before recording or sending. The event
   * is in the log at least once.
   */
  async sayAgain(facts: PlanFacts, kept: KeptOutcome): Promise<void> {
    const { step_id, use, state } = kept
    if (state !== 'started') {
      const { device_id, reason } = openMessage(outcomeMessage, kept.jws).claims
      const ref = { facts, step: { step_id, device_id }, ...(use !== undefined && { use }) }
      await this.#options.audit.ended(ref, state, reason?.code)
    }
    void this.#options.sender.send(kept)
  }

  async #sign(ref: StepRef, state: OutcomeState, final: boolean, more: Partial<Outcome>): Promise<KeptOutcome> {
    const { gatewayId, audience, signer, clock } = this.#options
    const { facts, step, use } = ref
    const { plan_id, token_id, intent_digest, action } = facts
    const { step_id, device_id } = step
    const jws = await signMessage(signer, outcomeMessage, {
      iss: gatewayId,
      aud: audience,
      iat: nowSeconds(clock),
      plan_id,
      token_id,
      intent_digest,
      step_id,
      ...(use !== undefined && { use_id: useId(facts, step, use) }),
      device_id,
      action,
      state,
      ...more,
    })
    return { plan_id, step_id, state, ...(use !== undefined && { use }), final, digest: digestOf(jws), jws }
  }
}

/** `<plan_id>/<step_id>/<n>` */
export function useId({ plan_id }: PlanFacts, { step_id }: StepFacts, use: number): string {
  return `${plan_id}/${step_id}/${use}`
}

/** A use that ended without effect, and another one is left. */
function canBeTriedAgain({ facts, use }: StepRef, reason: Reason | undefined): boolean {
  const withoutEffect = reason?.code === 'too_late' || reason?.code === 'interrupted'
  return withoutEffect && use !== undefined && use < facts.max_uses
}
