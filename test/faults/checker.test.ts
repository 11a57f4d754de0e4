import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { check } from './check.ts'
import type { Effect, History, LoggedMessage } from './history.ts'
import { RULES, type RuleName } from './rules/rule.ts'

/** A history that a run has recorded and in which the checker finds nothing. */
let recorded: History

beforeAll(async () => {
  const file = new URL('testdata/history.json.gz', import.meta.url)
  recorded = JSON.parse(gunzipSync(await readFile(file)).toString()) as History
})

test('nothing is found in a run that kept every promise', () => {
  expect(check(recorded)).toEqual([])
  expect(recorded.effects.length).toBeGreaterThan(recorded.asked.length / 2)
})

/** What is broken, the rule that must see it, and what it must say. */
const BREAKS: readonly (readonly [string, RuleName, RegExp, (history: History) => History])[] = [
  ['an intent never ends', 'one-final-state', /it was last executing/, (history) => restate(history, 'executing')],
  [
    'nothing is heard of an intent',
    'one-final-state',
    /nothing was ever said/,
    (history) => ({
      ...history,
      statuses: history.statuses.filter(({ intent_digest }) => intent_digest !== done(history).intent_digest),
    }),
  ],
  [
    'an intent ends twice, differently',
    'one-final-state',
    /it is succeeded and failed/,
    (history) => ({
      ...history,
      statuses: [...history.statuses, { ...final(history), n: 99, state: 'failed' }],
    }),
  ],
  [
    'two replicas say different things under one number',
    'one-final-state',
    /two statuses have the number/,
    (history) => ({
      ...history,
      statuses: [...history.statuses, { ...final(history), state: 'executing' }],
    }),
  ],
  [
    'a device did what nobody asked for',
    'ends-as-it-was',
    /nobody asked/,
    (history) => ({
      ...history,
      effects: [...history.effects, { ...first(history), intent_digest: 'A'.repeat(43), plan_id: 'p-other' }],
    }),
  ],
  [
    'a denied intent had an effect',
    'ends-as-it-was',
    /it is denied and a device began/,
    (history) => {
      const denied = history.statuses.find(({ state }) => state === 'denied')
      return {
        ...history,
        effects: [...history.effects, { ...first(history), intent_digest: denied?.intent_digest ?? '' }],
      }
    },
  ],
  [
    'a step succeeded that no device began',
    'ends-as-it-was',
    /succeeded and no device began it/,
    (history) => ({
      ...history,
      effects: history.effects.filter((effect) => effect !== done(history)),
    }),
  ],
  [
    'a step ran twice',
    'step-once',
    /it was begun 2 times/,
    (history) => ({
      ...history,
      effects: [...history.effects, { ...first(history), at: first(history).at + 5000 }],
    }),
  ],
  [
    'a device did one intent under two plans',
    'step-once',
    /it was begun 2 times/,
    (history) => ({
      ...history,
      effects: [...history.effects, { ...first(history), plan_id: 'p-again' }],
    }),
  ],
  [
    'somebody decides under a policy that was replaced before it was asked',
    'active-policy',
    /was not active any more/,
    (history) => ({
      ...history,
      policies: [...history.policies, { version: 2, bundle_sha256: 'another', at: required(history.asked[3]).at - 1 }],
    }),
  ],
  [
    'the log has no plan.dispatched',
    'two-records-first',
    /no plan.dispatched/,
    (history) => without(history, 'plan.dispatched', done(history).plan_id),
  ],
  [
    'the log has no token.redeemed',
    'two-records-first',
    /no token.redeemed/,
    (history) => without(history, 'token.redeemed', done(history).plan_id),
  ],
  [
    'the redeem was recorded after the step',
    'two-records-first',
    /ms before its token.redeemed was stored/,
    (history) => {
      const message = messageOf(history, 'token.redeemed', done(history).plan_id)
      return {
        ...history,
        audit: history.audit.map((one) => (one.digest === message.digest ? { ...one, at: one.at + 60_000 } : one)),
      }
    },
  ],
  [
    'the redeem went over the bus in time and came into the log after the step',
    'two-records-first',
    /token.redeemed is in the log after an outcome of the step/,
    (history) => {
      const message = messageOf(history, 'token.redeemed', done(history).plan_id)
      const late = (one: typeof message) =>
        one.digest === message.digest ? { ...one, index: history.log.length } : one
      return { ...history, log: history.log.map(late) }
    },
  ],
  [
    'the plan went out before its record',
    'two-records-first',
    /before its plan.dispatched/,
    (history) => ({
      ...history,
      plans: history.plans.map((plan, at) => (at === 0 ? { ...plan, at: plan.at - 60_000 } : plan)),
    }),
  ],
  [
    'the log has a message twice',
    'logged-once',
    /the message is in the log twice/,
    (history) => ({
      ...history,
      log: [...history.log, { ...last(history.log), index: history.log.length }],
    }),
  ],
  [
    'a stored message never came into the log',
    'logged-once',
    /was stored and is not in the log/,
    (history) => ({
      ...history,
      log: history.log.filter(({ digest }) => digest !== history.audit[3]?.digest),
    }),
  ],
  [
    'an event is in two messages',
    'logged-once',
    /the event is in the log twice/,
    (history) => ({
      ...history,
      log: [...history.log, { ...last(history.log), index: history.log.length, seq: 9999 }],
    }),
  ],
  [
    'a redeem was recorded twice by one process',
    'logged-once',
    /it is in the log 2 times/,
    (history) => {
      const message = messageOf(history, 'token.redeemed', done(history).plan_id)
      const events = message.events.map((event) => ({ ...event, event_id: `again-${event.event_id}` }))
      return {
        ...history,
        log: [...history.log, { ...message, index: history.log.length, seq: 9999, digest: 'other', events }],
      }
    },
  ],
  [
    'an accepted intent has no event',
    'logged-once',
    /the log has no intent.accepted/,
    (history) => without(history, 'intent.accepted', undefined, done(history).intent_digest),
  ],
  [
    'nobody says how an action ended',
    'logged-once',
    /does not say how the action ended/,
    (history) => without(history, 'action.succeeded', done(history).plan_id),
  ],
  [
    'the evidence does not verify',
    'log-verifies',
    /entry_altered/,
    (history) => ({
      ...history,
      verified: { ...history.verified, ok: false, findings: ['entry_altered: Entry 3 is another.'] },
    }),
  ],
  [
    'a plan is left in its queue',
    'nothing-left',
    /1 are left/,
    (history) => ({
      ...history,
      left: history.left.map((one) => (one.what === 'messages of PLANS' ? { ...one, count: 1 } : one)),
    }),
  ],
  [
    'a process has grown',
    'back-to-size',
    /rss_bytes/,
    (history) => ({
      ...history,
      usage: history.usage.map((one) => (one.what === 'rss_bytes' ? { ...one, after: one.before + 2 ** 28 } : one)),
    }),
  ],
  [
    'a process leaks descriptors',
    'back-to-size',
    /descriptors/,
    (history) => ({
      ...history,
      usage: history.usage.map((one) => (one.what === 'descriptors' ? { ...one, after: one.before + 100 } : one)),
    }),
  ],
]

describe('the checker sees', () => {
  test.each(BREAKS)('%s', (_, rule, says, broken) => {
    const findings = check(broken(recorded)).filter((finding) => finding.rule === rule)
    expect(findings.map(({ message }) => message).join('\n')).toMatch(says)
  })

  test('a break of every rule', () => {
    expect(new Set(BREAKS.map(([, rule]) => rule))).toEqual(new Set(RULES))
  })
})

function first({ effects }: History): Effect {
  return required(effects[0])
}

/** An effect of an intent that succeeded in one step. */
function done({ effects, statuses }: History): Effect {
  const succeeded = statuses.filter(({ state, steps }) => state === 'succeeded' && steps.length === 1)
  return required(
    effects.find((effect) => succeeded.some(({ intent_digest }) => intent_digest === effect.intent_digest)),
  )
}

function final(history: History): History['statuses'][number] {
  const { intent_digest } = done(history)
  return required(history.statuses.find((one) => one.intent_digest === intent_digest && one.state === 'succeeded'))
}

function restate(history: History, state: string): History {
  const { intent_digest } = done(history)
  const statuses = history.statuses.map((one) =>
    one.intent_digest === intent_digest && one.state === 'succeeded' ? { ...one, state } : one,
  )
  return { ...history, statuses }
}

function messageOf({ log }: History, type: string, planId: string): LoggedMessage {
  return required(log.find(({ events }) => events.some((event) => event.type === type && event.plan_id === planId)))
}

function without(history: History, type: string, planId?: string, intentDigest?: string): History {
  const gone = (event: LoggedMessage['events'][number]) =>
    event.type === type && (event.plan_id === planId || (planId === undefined && event.intent_digest === intentDigest))
  return {
    ...history,
    log: history.log.map((message) => ({ ...message, events: message.events.filter((one) => !gone(one)) })),
  }
}

function last<T>(items: readonly T[]): T {
  return required(items.at(-1))
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the recorded history has nothing of the kind')
  return value
}
