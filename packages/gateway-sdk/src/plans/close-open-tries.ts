import type { Reason } from '@writ/contracts'
import { openTries, type PlanState, type StepState, type TryState } from '../core/journal-state.ts'
import type { End, OutcomeBook, StepRef } from '../outcomes/outcome-book.ts'

const NOT_BEGUN: Reason = { code: 'interrupted', message: 'The gateway was interrupted before the step began.' }
const NOT_ENDED: Reason = {
  code: 'interrupted',
  message: 'The gateway was interrupted while the step ran; how it ended is not known.',
}

/**
 * Says of everything that a killed process left open what can be said: redeemed and not begun had no effect; begun and not ended is
 * unknown, and is never done again.
 */
export async function closeInterrupted(book: OutcomeBook, plans: readonly PlanState[]): Promise<void> {
  for (const plan of plans)
    for (const { step, tried } of openTries(plan)) await closeTry(book, { facts: plan.facts, step }, tried)
}

/** The same for one step, before it is gone on with. */
export async function closeOpenTries(book: OutcomeBook, { tries, final }: StepState, ref: StepRef): Promise<void> {
  if (final !== undefined) return
  for (const tried of tries) if (tried.ended === undefined) await closeTry(book, ref, tried)
}

async function closeTry(book: OutcomeBook, { facts, step, trace }: StepRef, tried: TryState): Promise<void> {
  const end: End =
    tried.started === undefined ? { state: 'refused', reason: NOT_BEGUN } : { state: 'unknown', reason: NOT_ENDED }
  await book.end({ facts, step: { step_id: step.step_id, device_id: step.device_id }, use: tried.use, trace }, end)
}
