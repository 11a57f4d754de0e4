import type { History } from '../history.ts'
import { lastStatuses } from './ends-as-it-was.ts'
import { eventsOf, type Finding, groupBy, type Placed, type Rule, stepOf } from './rule.ts'

const say = (about: string, message: string): Finding => ({ rule: 'logged-once', about, message })

/**
 * G5: what was stored for audit is in the log exactly once, as is every event; and the log has what happened to every accepted intent: that it was
 * accepted and decided, each plan's token, each redeem, each action's begin and end.
 *
 * A service that was killed says again in the chain of its next boot what it cannot know to be recorded: those things once a boot.
 */
export const loggedOnce: Rule = (history) => [...messages(history), ...events(history), ...intents(history)]

function messages({ log, audit }: History): Finding[] {
  const places = groupBy(log, ({ source, seq }) => `${source}/${seq}`)
  const twice = [...places]
    .filter(([, at]) => at.length > 1)
    .map(([name]) => say(name, 'the message is in the log twice'))
  const missing = audit
    .filter(({ source, seq, digest }) => !(places.get(`${source}/${seq}`) ?? []).some((one) => one.digest === digest))
    .map(({ source, seq }) => say(`${source}/${seq}`, 'the message was stored and is not in the log'))
  return [...twice, ...missing]
}

function events(history: History): Finding[] {
  const all = eventsOf(history)
  const byId = groupBy(all, ({ event_id }) => event_id)
  const twice = [...byId].filter(([, same]) => same.length > 1).map(([id]) => say(id, 'the event is in the log twice'))
  const again = [...groupBy(all, onceName)]
    .filter(([, same]) => same.length > 1)
    .map(([name, same]) => say(name, `it is in the log ${same.length} times`))
  return [...twice, ...again]
}

/** Under which name an event may come once; undefined: as often as it happens. */
function onceName({ type, source, intent_digest, plan_id, step_id, use, outcome }: Placed): string | undefined {
  const [role, instance, boot] = source.split('/')
  switch (type) {
    case 'intent.accepted':
      return role === 'intent-gateway' ? `${type} ${intent_digest} of boot ${instance}/${boot}` : undefined
    case 'plan.dispatched':
      return `${type} ${plan_id} of boot ${instance}/${boot}`
    case 'token.issued':
      return `${type} ${plan_id} of boot ${instance}/${boot}`
    case 'token.redeemed':
      return `${type} ${plan_id}/${step_id}/${use} of boot ${instance}/${boot}`
    case 'action.started':
      return role === 'gateway' ? `${type} ${plan_id}/${step_id}` : undefined
    case 'action.succeeded':
    case 'action.failed':
    case 'action.aborted':
    case 'action.unknown':
      return role === 'gateway'
        ? `the end of ${plan_id}/${step_id}`
        : outcome && `${type} ${outcome} of ${instance}/${boot}`
    default:
      return undefined
  }
}

function intents(history: History): Finding[] {
  const all = eventsOf(history)
  const about = groupBy(all, ({ type, intent_digest }) => intent_digest && `${type} ${intent_digest}`)
  const steps = groupBy(all, ({ type, source, plan_id, step_id }) =>
    source.startsWith('gateway/') && plan_id !== undefined && step_id !== undefined
      ? `${type} ${stepOf({ plan_id, step_id })}`
      : undefined,
  )
  const last = lastStatuses(history)
  const ofIntents = history.asked.flatMap(({ id, digest }) => {
    const wanted = ['intent.accepted', 'policy.decided']
    // Nothing has to be decided about what was cancelled before.
    const state = last.get(digest)?.state
    return wanted
      .filter((type) => !(type === 'policy.decided' && (state === 'cancelled' || state === 'expired')))
      .filter((type) => !about.has(`${type} ${digest}`))
      .map((type) => say(id, `the log has no ${type}`))
  })
  const ofEffects = history.effects.flatMap((effect) => {
    const has = (type: string) => steps.has(`${type} ${stepOf(effect)}`)
    const ended = ['action.succeeded', 'action.failed', 'action.aborted', 'action.unknown'].some(has)
    // The begin of an action waits for no disk: a gateway that is killed in that moment says afterwards that its end is not known.
    const begun = has('action.started') || has('action.unknown')
    return [
      ...(begun ? [] : [say(stepOf(effect), 'the log has no action.started')]),
      ...(ended ? [] : [say(stepOf(effect), 'the log does not say how the action ended')]),
    ]
  })
  return [...ofIntents, ...ofEffects]
}
