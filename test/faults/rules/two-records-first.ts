import type { Effect, History } from '../history.ts'
import { eventsOf, type Finding, groupBy, type Placed, type Rule, stepOf } from './rule.ts'

/**
 * G4: no step without its two records, durable before it. `plan.dispatched` is in the log before the step's `token.redeemed`, and both were in
 * their stream before the device began; the plan was not on its way before its `plan.dispatched` was. Where a time is that of the way over the bus
 * only, the log's order bounds it: both stand before anything that intent-gateway, in the same stream, says of an outcome of the step.
 */
export const twoRecordsFirst: Rule = (history) => {
  const timeOf = storedTimes(history)
  const events = eventsOf(history)
  const dispatched = groupBy(events, ({ type, plan_id }) => (type === 'plan.dispatched' ? plan_id : undefined))
  const redeemed = groupBy(events, (event) => (event.type === 'token.redeemed' ? stepName(event) : undefined))
  const outcomes = groupBy(events, (event) =>
    event.source.startsWith('intent-gateway/') && event.outcome !== undefined ? stepName(event) : undefined,
  )
  const ofEffects = history.effects.flatMap((effect) => {
    const records = { dispatched: dispatched.get(effect.plan_id) ?? [], redeemed: redeemed.get(stepOf(effect)) ?? [] }
    return ofEffect(effect, records, outcomes.get(stepOf(effect)) ?? [], timeOf)
  })
  const ofPlans = history.plans.flatMap(({ plan_id, gateway_id, at }): Finding[] => {
    const first = Math.min(...(dispatched.get(plan_id) ?? []).map(timeOf))
    return first <= at
      ? []
      : [{ rule: 'two-records-first', about: plan_id, message: `it went to ${gateway_id} before its plan.dispatched` }]
  })
  return [...ofEffects, ...ofPlans]
}

type TimeOf = (event: Placed) => number

function ofEffect(
  effect: Effect,
  { dispatched, redeemed }: { readonly dispatched: readonly Placed[]; readonly redeemed: readonly Placed[] },
  outcomes: readonly Placed[],
  timeOf: TimeOf,
): Finding[] {
  const say = (message: string): Finding => ({ rule: 'two-records-first', about: stepOf(effect), message })
  if (dispatched.length === 0) return [say('no plan.dispatched is in the log')]
  if (redeemed.length === 0) return [say('no token.redeemed is in the log')]
  const found: Finding[] = []
  const first = firstOf(dispatched)
  if (redeemed.every(({ index }) => index < first))
    found.push(say('token.redeemed is in the log before plan.dispatched'))
  for (const [type, records] of [
    ['plan.dispatched', dispatched],
    ['token.redeemed', redeemed],
  ] as const) {
    const by = Math.min(...records.map(timeOf)) - effect.at
    if (by > 0) found.push(say(`it began ${Math.ceil(by)} ms before its ${type} was stored`))
    if (firstOf(records) > firstOf(outcomes)) found.push(say(`${type} is in the log after an outcome of the step`))
  }
  return found
}

/** The first leaf of several events; infinity: there are none. */
const firstOf = (events: readonly Placed[]): number => Math.min(...events.map(({ index }) => index))

/** When an event was in its stream: the stream's time where it was seen there, else when it went over the bus, else its source's word. */
function storedTimes({ audit }: History): TimeOf {
  const at = new Map(audit.map((stored) => [`${stored.source}/${stored.seq}`, stored.at]))
  return ({ source, seq, at: said }) => at.get(`${source}/${seq}`) ?? said
}

function stepName({ plan_id, step_id }: Placed): string | undefined {
  return plan_id === undefined || step_id === undefined ? undefined : stepOf({ plan_id, step_id })
}
