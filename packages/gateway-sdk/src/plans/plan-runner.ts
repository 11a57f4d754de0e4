import type { VerifiedPlan } from '@writ/authority'
import type { Trace } from '@writ/bus'
import type { Reason } from '@writ/contracts'
import { type KeptOutcome, knowsSteps, type StepState } from '../core/journal-state.ts'
import { factsOf, type PlanFacts } from '../core/plan-facts.ts'
import type { PlanJournal } from '../journal/plan-journal.ts'
import type { OutcomeBook } from '../outcomes/outcome-book.ts'
import type { StepEnd, StepRunner } from './step-runner.ts'

export interface PlanRunnerOptions {
  readonly journal: PlanJournal
  readonly book: OutcomeBook
  readonly steps: StepRunner
}

const STOPPED: Reason = { code: 'stopped', message: 'A step before it did not succeed.' }

/** The steps of a plan, one after another, each once. */
export class PlanRunner {
  readonly #options: PlanRunnerOptions

  constructor(options: PlanRunnerOptions) {
    this.#options = options
  }

  /**
   * Returns when every step has ended, as far as this gateway can tell. One that has ended before is not done again. Throws Fault
   * `unavailable` when it cannot go on now.
   */
  async run(plan: VerifiedPlan, trace: Trace | undefined): Promise<void> {
    const { journal, steps, book } = this.#options
    const facts = factsOf(plan)
    const known = journal.plan(facts.plan_id)
    if (known === undefined || !knowsSteps(known, facts.steps)) await journal.takeOn(facts)
    const stopOnFailure = plan.chain.decision.claims.obligations.stop_on_failure
    let failed = false
    // The steps are the verified plan's: the journal only says what has become of them.
    for (const { step_id, device_id } of facts.steps) {
      const step = this.#step(facts, step_id)
      const ref = { facts, step: { step_id, device_id }, trace }
      const stop = failed && stopOnFailure
      const end = (): Promise<StepEnd> =>
        stop ? book.end(ref, { state: 'aborted', reason: STOPPED }) : steps.run(plan, ref)
      const outcome: KeptOutcome = step.final ?? (await end()).outcome
      failed ||= outcome.state !== 'succeeded'
    }
  }

  #step({ plan_id }: PlanFacts, stepId: string): StepState {
    const step = this.#options.journal.plan(plan_id)?.steps.find(({ step_id }) => step_id === stepId)
    if (step === undefined) throw new Error(`the journal's plan ${plan_id} has no step ${stepId}`)
    return step
  }
}
