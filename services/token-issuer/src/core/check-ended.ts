import { Fault, type Outcome, type ReasonCode } from '@writ/contracts'
import { parseUseId, type Use } from './uses.ts'

/** Reasons of a `refused` outcome that leave the step to be tried again (CONTRACT "Outcome"). */
const RETRIED: readonly (ReasonCode | undefined)[] = ['too_late', 'interrupted']

/** The use that an outcome says ended without effect. Throws Fault `malformed`, `chain_broken`. */
export function checkEnded(outcome: Outcome): Use {
  if (outcome.use_id === undefined) throw new Fault('malformed', { message: 'The outcome names no use.' })
  if (outcome.state !== 'refused' || !RETRIED.includes(outcome.reason?.code))
    throw new Fault('chain_broken', { message: 'The outcome is final: the step has no other try.' })
  const use = parseUseId(outcome.use_id)
  if (use.planId !== outcome.plan_id || use.stepId !== outcome.step_id)
    throw new Fault('chain_broken', { message: 'The use is another step’s.' })
  return use
}
