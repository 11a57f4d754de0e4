import type { OutcomeState } from '@writ/contracts'
import type { PlanFacts, StepFacts } from './plan-facts.ts'

/** An outcome as it was signed, and how far it has come. */
export interface KeptOutcome {
  readonly plan_id: string
  readonly step_id: string
  readonly state: OutcomeState
  /** Which use of the token it is about. */
  readonly use?: number
  /** The step ends with it. */
  readonly final: boolean
  readonly digest: string
  readonly jws: string
}

/** Records of the journal, in the order in which they are written for one step. */
export type JournalRecord =
  | { readonly t: 'plan'; readonly facts: PlanFacts }
  /** Written before the redeem is sent. */
  | {
      readonly t: 'redeem'
      readonly plan_id: string
      readonly step_id: string
      readonly use: number
      readonly jws: string
    }
  /** Nobody had listened to the redeems of this use: they claimed nothing. */
  | { readonly t: 'unheard'; readonly plan_id: string; readonly step_id: string; readonly use: number }
  /** Written before the handler runs. */
  | { readonly t: 'started'; readonly outcome: KeptOutcome }
  | { readonly t: 'ended'; readonly outcome: KeptOutcome }
  /** The stream has these outcomes. */
  | { readonly t: 'stored'; readonly plan_id: string; readonly digests: readonly string[] }

/** One use of the token for one step. */
export interface TryState {
  readonly use: number
  readonly redeems: readonly string[]
  readonly started?: KeptOutcome
  readonly ended?: KeptOutcome
}

export interface StepState extends StepFacts {
  readonly tries: readonly TryState[]
  readonly final?: KeptOutcome
}

export interface PlanState {
  readonly facts: PlanFacts
  readonly steps: readonly StepState[]
  /** Digests of outcomes that the stream has. */
  readonly stored: ReadonlySet<string>
}

/** How long after its `exp` a plan is remembered, so that one that comes again is answered with what came of it; later it is refused as expired. */
const REMEMBERED_SECONDS = 6 * 3600

/** The state after one more record; undefined: the record is about a plan that is not known, and nothing follows from it. */
export function applyRecord(plan: PlanState | undefined, record: JournalRecord): PlanState | undefined {
  if (record.t === 'plan') return takenOn(plan, record.facts)
  if (plan === undefined) return undefined
  if (record.t === 'stored') return { ...plan, stored: new Set([...plan.stored, ...record.digests]) }
  const { step_id } = 'outcome' in record ? record.outcome : record
  const steps = plan.steps.map((step) => (step.step_id === step_id ? applyToStep(step, record) : step))
  return { ...plan, steps }
}

/**
 * A plan that was refused is known as whoever sent it described it. When one whose chain holds comes under the same id, its steps are
 * those that count, with what was said of them.
 */
function takenOn(known: PlanState | undefined, facts: PlanFacts): PlanState {
  const steps = facts.steps.map((step) => {
    const { tries = [], final } = known?.steps.find(({ step_id }) => step_id === step.step_id) ?? {}
    return { ...step, tries, ...(final !== undefined && { final }) }
  })
  return { facts, steps, stored: known?.stored ?? new Set() }
}

/** Whether the journal knows the plan by these very steps. */
export function knowsSteps({ facts }: PlanState, steps: readonly StepFacts[]): boolean {
  return (
    facts.steps.length === steps.length &&
    steps.every(({ step_id, device_id }, index) => {
      const known = facts.steps[index]
      return known?.step_id === step_id && known.device_id === device_id
    })
  )
}

function applyToStep(step: StepState, record: Exclude<JournalRecord, { t: 'plan' } | { t: 'stored' }>): StepState {
  if (record.t === 'redeem')
    return withTry(step, record.use, (tried) => ({ ...tried, redeems: [...tried.redeems, record.jws] }))
  if (record.t === 'unheard') return { ...step, tries: step.tries.filter(({ use }) => use !== record.use) }
  const { outcome } = record
  if (record.t === 'started') return withTry(step, outcome.use ?? 0, (tried) => ({ ...tried, started: outcome }))
  const tried = outcome.use === undefined ? step : withTry(step, outcome.use, (one) => ({ ...one, ended: outcome }))
  return outcome.final && tried.final === undefined ? { ...tried, final: outcome } : tried
}

function withTry(step: StepState, use: number, change: (tried: TryState) => TryState): StepState {
  const known = step.tries.find((tried) => tried.use === use) ?? { use, redeems: [] }
  return { ...step, tries: [...step.tries.filter((tried) => tried.use !== use), change(known)] }
}

export function isDone({ steps }: PlanState): boolean {
  return steps.every(({ final }) => final !== undefined)
}

/** The use that comes next: after those that ended without effect. */
export function nextUse({ tries }: StepState): number {
  return Math.max(0, ...tries.filter(({ ended }) => ended !== undefined).map(({ use }) => use)) + 1
}

/** What a process that was killed left open: redeemed and not begun, or begun and not ended. */
export function openTries(plan: PlanState): readonly { readonly step: StepState; readonly tried: TryState }[] {
  return plan.steps
    .filter(({ final }) => final === undefined)
    .flatMap((step) => step.tries.filter(({ ended }) => ended === undefined).map((tried) => ({ step, tried })))
}

/** Outcomes that were made, oldest first. A `started` whose try ended without effect was never sent. */
export function outcomesOf(plan: PlanState): readonly KeptOutcome[] {
  return plan.steps.flatMap(({ tries, final }) => {
    const ofTries = tries.flatMap(({ started, ended }) => {
      const begun = started !== undefined && !(ended !== undefined && ended.state === 'refused')
      return [...(begun ? [started] : []), ...(ended === undefined ? [] : [ended])]
    })
    return final === undefined || ofTries.includes(final) ? ofTries : [...ofTries, final]
  })
}

export function unstored(plan: PlanState): readonly KeptOutcome[] {
  return outcomesOf(plan).filter(({ digest }) => !plan.stored.has(digest))
}

/** Whether the plan can be forgotten: it is long expired, and everything about it has been said. */
export function isForgettable(plan: PlanState, nowSeconds: number): boolean {
  return nowSeconds > plan.facts.exp + REMEMBERED_SECONDS && unstored(plan).length === 0 && openTries(plan).length === 0
}

/** The shortest records that give the same state. Of what is done and said, only the outcomes are kept. */
export function recordsOf(plan: PlanState): readonly JournalRecord[] {
  const { plan_id } = plan.facts
  const tries = plan.steps.flatMap(({ step_id, tries, final }) =>
    tries.flatMap(({ use, redeems, started, ended }): readonly JournalRecord[] => [
      ...(final === undefined && ended === undefined ? redeems : []).map(
        (jws) => ({ t: 'redeem', plan_id, step_id, use, jws }) as const,
      ),
      ...(started === undefined ? [] : [{ t: 'started', outcome: started } as const]),
      ...(ended === undefined ? [] : [{ t: 'ended', outcome: ended } as const]),
    ]),
  )
  const finals = plan.steps.flatMap(({ final }) => (final === undefined || final.use !== undefined ? [] : [final]))
  return [
    { t: 'plan', facts: plan.facts },
    ...tries,
    ...finals.map((outcome) => ({ t: 'ended', outcome }) as const),
    ...(plan.stored.size === 0 ? [] : [{ t: 'stored', plan_id, digests: [...plan.stored] } as const]),
  ]
}
