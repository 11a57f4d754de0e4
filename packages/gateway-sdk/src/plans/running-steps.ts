import type { ControlState, Touched } from '@writ/authority'
import type { Reason, Rev } from '@writ/contracts'

/** A step whose handler has been called and has not returned. */
export interface RunningStep {
  readonly plan_id: string
  readonly step_id: string
  /** Of the token. */
  readonly rev: Rev
  readonly touched: Touched
  /** Tells the handler to stop. Only the first call counts. */
  readonly stop: (reason: Reason) => void
}

/** What is going on at this gateway, so that a revoke can reach it. */
export class RunningSteps {
  readonly #steps = new Set<RunningStep>()
  readonly #told = new Set<RunningStep>()
  readonly #onStopped: () => void

  /** `onStopped`: a step that a revoke had told to stop has stopped. */
  constructor(onStopped: () => void = () => undefined) {
    this.#onStopped = onStopped
  }

  get size(): number {
    return this.#steps.size
  }

  /** Returns the way to take it out again. */
  add(step: RunningStep): () => void {
    this.#steps.add(step)
    return () => {
      this.#steps.delete(step)
      if (this.#told.delete(step)) this.#onStopped()
    }
  }

  /** Steps whose token is dead by what CONTROL says now, and that have not stopped. */
  dead(control: ControlState): readonly RunningStep[] {
    return [...this.#steps].filter(({ rev, touched }) => control.tokenRefusal(rev, touched) !== undefined)
  }

  stopDead(control: ControlState): void {
    for (const step of [...this.#steps]) {
      const reason = control.tokenRefusal(step.rev, step.touched)
      if (reason === undefined) continue
      this.#told.add(step)
      step.stop(reason)
    }
  }

  stopAll(reason: Reason): void {
    for (const { stop } of [...this.#steps]) stop(reason)
  }
}
