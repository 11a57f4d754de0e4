import type { Decision, Intent, Outcome } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { unsettledOf } from './about-subject.ts'
import { doneOf, formatRecord, type LiveRecord, parseRecord, userOf, withoutOutcomes } from './intent-record.ts'
import { nextMove } from './next-move.ts'
import { isKeptInside, stateWouldFit } from './state-size.ts'
import { statusBody } from './status.ts'
import { takeOutcome } from './take-outcome.ts'
import { touchedByRecord } from './touched.ts'
import {
  accepted,
  approved,
  attested,
  closed,
  closing,
  decided,
  ended,
  executing,
  planned,
  sentAgain,
  sentOut,
  waitsForApproval,
  waitsForAttestation,
  withoutUser,
} from './transitions.ts'

const NOW = 1_800_000_000
const DIGEST = 'A'.repeat(43)
const digest = (letter: string) => `${letter.repeat(42)}A`
const intent: Intent = {
  iss: 'a1',
  aud: 'writ:r',
  iat: NOW,
  exp: NOW + 60,
  jti: 'i1',
  on_behalf_of: 'u1',
  action: 'restart',
  targets: ['d1', 'd2', 'd3'],
  purpose: 'test',
}
const steps = [
  { step_id: 's0', device_id: 'd1', gateway_id: 'g1', group: 'hall' },
  { step_id: 's1', device_id: 'd2', gateway_id: 'g1', group: 'hall' },
  { step_id: 's2', device_id: 'd3', gateway_id: 'g2', group: 'hall' },
]
const plan = (gateway: string, exp = NOW + 300) => ({
  plan_id: `p-${gateway}`,
  plan_digest: DIGEST,
  gateway_id: gateway,
  token_id: `t-${gateway}`,
  exp,
})
const fresh = () => accepted(intent, { digest: DIGEST, kid: digest('K') }, steps, NOW)
const dispatched = (record: LiveRecord, ids: readonly string[], now: number) => executing(sentOut(record, ids, now))
const out = (maxUses = 1): LiveRecord => {
  const at = planned(decided(fresh(), 1, { n: 1, digest: digest('D') }), [plan('g1'), plan('g2')], steps, maxUses)
  return dispatched(at, ['p-g1', 'p-g2'], NOW)
}
const outcome = (changes: Partial<Outcome>): Outcome => ({
  iss: 'g1',
  aud: 'writ:r',
  iat: NOW,
  plan_id: 'p-g1',
  intent_digest: DIGEST,
  step_id: 's0',
  device_id: 'd1',
  action: 'restart',
  state: 'succeeded',
  ...changes,
})
const take = (record: LiveRecord, changes: Partial<Outcome>, letter: string, now = NOW + 1) =>
  takeOutcome(record, outcome(changes), digest(letter), now)
const decision = (changes: Partial<Decision> = {}) =>
  ({ exp: NOW + 600, reasons: [], ...changes }) as unknown as Decision

describe('n', () => {
  test('rises by one with each change that a follower sees, and with no other', () => {
    const first = fresh()
    const noted = decided(first, 1, { n: 1, digest: digest('D') })
    expect([first.n, noted.n]).toEqual([1, 1])
    const approvedOnce = planned(noted, [plan('g1')], steps, 1)
    expect([approvedOnce.n, approvedOnce.state]).toEqual([2, 'approved'])
    const told = dispatched(approvedOnce, ['p-g1'], NOW)
    expect([told.n, told.state]).toEqual([3, 'executing'])
    expect(dispatched(told, ['p-g1'], NOW).n).toBe(3)
  })

  test('rises once when a gateway’s first word tells that its plan is out, whoever noted that or did not', () => {
    const at = planned(decided(fresh(), 1, { n: 1, digest: digest('D') }), [plan('g1'), plan('g2')], steps, 1)
    const noted = sentOut(at, ['p-g1', 'p-g2'], NOW)
    expect([noted.n, noted.state]).toEqual([2, 'approved'])
    for (const before of [at, noted]) {
      const { record } = take(before, { state: 'started' }, 'S')
      expect([record.n, record.state, record.steps[0]?.state]).toEqual([3, 'executing', 'started'])
      expect(record.plans[0]).toMatchObject({ out: true, sent: { times: 1 } })
      expect(record.plans[1]?.out).toBe(before === noted ? true : undefined)
      expect(executing(record)).toBe(record)
    }
  })

  test('plans are shown when they are out, not before', () => {
    const at = planned(fresh(), [plan('g1')], steps, 1)
    expect(statusBody(at).plans).toBeUndefined()
    expect(statusBody(dispatched(at, ['p-g1'], NOW)).plans).toEqual([
      { plan_id: 'p-g1', plan_digest: DIGEST, gateway_id: 'g1' },
    ])
  })
})

describe('plans that are out', () => {
  const at = () => planned(decided(fresh(), 1, { n: 1, digest: digest('D') }), [plan('g1'), plan('g2')], steps, 1)

  test('are sent again by a process that does not know, and told of by the one that does, if nothing is heard', () => {
    expect(nextMove(at(), NOW)).toEqual({ kind: 'dispatch', gateways: ['g1', 'g2'] })
    const noted = sentOut(at(), ['p-g1', 'p-g2'], NOW)
    expect(nextMove(noted, NOW + 1)).toEqual({ kind: 'wait', until: NOW + 2 })
    expect(nextMove(noted, NOW + 2)).toEqual({ kind: 'tell' })
    expect(nextMove(executing(noted), NOW + 2)).toEqual({ kind: 'wait', until: NOW + 10 })
  })

  test('are not sent again at once by a process that has only heard of one of them', () => {
    const { record } = take(at(), { state: 'started' }, 'S', NOW)
    expect(nextMove(record, NOW + 4)).toEqual({ kind: 'wait', until: NOW + 5 })
    expect(nextMove(record, NOW + 5)).toEqual({ kind: 'dispatch', gateways: ['g2'] })
    const both = take(
      record,
      { iss: 'g2', plan_id: 'p-g2', step_id: 's2', device_id: 'd3', state: 'started' },
      'T',
      NOW,
    )
    expect(nextMove(both.record, NOW + 5)).toMatchObject({ kind: 'wait' })
  })

  test('and never decided about or ended anew', () => {
    const noted = sentOut(at(), ['p-g1', 'p-g2'], NOW)
    expect(ended(noted, 'denied', [])).toBe(noted)
    expect(nextMove(noted, NOW + 300)).toMatchObject({ kind: 'close', why: 'expired' })
  })
})

describe('an outcome that is kept in the record', () => {
  const kept = (record: LiveRecord, letter: string, changes: Partial<Outcome> = {}) =>
    takeOutcome(record, outcome(changes), digest(letter), NOW + 1, `text ${letter}`).record

  test('comes back with it, stays when it is settled, and goes later', () => {
    const record = kept(out(), 'S')
    expect(parseRecord(Buffer.from(formatRecord(record)))).toEqual(record)
    const done = doneOf(record)
    expect(done.steps[0]).toMatchObject({ outcome: 'text S', outcome_digest: digest('S') })
    expect(parseRecord(Buffer.from(formatRecord(done)))).toEqual(done)
    expect(formatRecord(withoutOutcomes(done))).not.toContain('text S')
  })

  test('is shown in no status, and goes with the next one of its step', () => {
    const late = { state: 'refused', reason: { code: 'too_late', message: 'x' }, use_id: 'p-g1/s0/1' } as const
    const tried = kept(out(2), 'A', late)
    expect(tried.steps[0]?.outcome).toBe('text A')
    expect(JSON.stringify(statusBody(tried))).not.toContain('text A')
    const begun = take(tried, { state: 'started' }, 'B').record
    expect(begun.steps[0]?.outcome).toBeUndefined()
  })

  test('has room: what is kept inside leaves the record below its bound', () => {
    const wide = Array.from({ length: 8 }, (_, n) => ({
      step_id: `s${n}`,
      device_id: 'd'.repeat(64),
      gateway_id: 'g'.repeat(64),
      group: 'x'.repeat(64),
    }))
    expect(stateWouldFit(wide)).toBe(true)
    expect([
      isKeptInside('x'.repeat(1000), 8),
      isKeptInside('x'.repeat(1001), 8),
      isKeptInside('x'.repeat(8001), 1),
    ]).toEqual([true, false, false])
  })
})

describe('a final state', () => {
  test('is never left', () => {
    const denied = ended(fresh(), 'denied', [{ code: 'policy_denied', message: 'no' }])
    expect(ended(denied, 'expired', [])).toBe(denied)
    expect(closing(denied, 'cancelled', ['g1'])).toBe(denied)
    expect(attested(denied, NOW)).toBe(denied)
    expect(nextMove(denied, NOW)).toEqual({ kind: 'settle' })
  })

  test('a plan that is recorded is never ended without its steps', () => {
    const at = planned(fresh(), [plan('g1')], steps, 1)
    expect(ended(at, 'denied', [])).toBe(at)
  })
})

describe('outcomes', () => {
  test('the first final one of a step counts, later ones do not', () => {
    const first = take(out(), { state: 'failed', reason: { code: 'action_failed', message: 'x' } }, 'F')
    expect(first.effect).toBe('counted')
    const second = take(first.record, { state: 'succeeded' }, 'S')
    expect(second.effect).toBe('late')
    expect(second.record).toBe(first.record)
    expect(take(first.record, { state: 'failed' }, 'F').effect).toBe('known')
  })

  test('one of another plan counts for nothing', () => {
    expect(take(out(), { plan_id: 'p-g2' }, 'S').record.steps[0]?.state).toBe('succeeded')
    expect(take(out(), { plan_id: 'p-other' }, 'S').effect).toBe('late')
  })

  test('a try that ended without effect is not final while others are left', () => {
    const late = { state: 'refused', reason: { code: 'too_late', message: 'x' }, use_id: 'p-g1/s0/1' } as const
    const first = take(out(2), late, 'A')
    expect([first.effect, first.record.steps[0]?.state]).toEqual(['try-ended', 'waiting'])
    expect(take(first.record, late, 'A').effect).toBe('try-ended')
    const second = take(first.record, { ...late, use_id: 'p-g1/s0/2' }, 'B')
    expect([second.effect, second.record.steps[0]?.state]).toEqual(['counted', 'refused'])
  })

  test('with no tries left, or after the plan expired, it is final', () => {
    const late = { state: 'refused', reason: { code: 'interrupted', message: 'x' }, use_id: 'p-g1/s0/1' } as const
    expect(take(out(1), late, 'A').effect).toBe('counted')
    expect(take(out(2), late, 'A', NOW + 300).effect).toBe('counted')
  })

  test('started after the end says nothing', () => {
    const done = take(out(), { state: 'succeeded' }, 'S').record
    expect(take(done, { state: 'started' }, 'T').effect).toBe('late')
  })

  test('all steps succeeded: succeeded', () => {
    let record = take(out(), { state: 'succeeded' }, 'A').record
    record = take(record, { state: 'succeeded', step_id: 's1', device_id: 'd2' }, 'B').record
    expect(record.state).toBe('executing')
    record = take(record, { iss: 'g2', plan_id: 'p-g2', step_id: 's2', device_id: 'd3' }, 'C').record
    expect(record.state).toBe('succeeded')
    expect(nextMove(record, NOW)).toEqual({ kind: 'settle' })
  })
})

describe('closing', () => {
  const unredeemed = ['g1', 'g2'].map((gateway_id) => ({
    gateway_id,
    steps: steps.filter((s) => s.gateway_id === gateway_id).map(({ step_id }) => ({ step_id, redeemed: 0 })),
  }))

  test('a cancel of what was never redeemed ends cancelled', () => {
    const order = closing(out(), 'cancelled', ['g1', 'g2'], { code: 'cancelled', message: 'x' })
    expect(nextMove(order, NOW)).toEqual({ kind: 'close', why: 'cancelled', gateways: ['g1', 'g2'] })
    const record = closed(order, { why: 'cancelled' }, unredeemed, NOW)
    expect([record.state, record.closing]).toEqual(['cancelled', undefined])
  })

  test('a cancel that token-issuer never answered does not outlive the plans', () => {
    const order = closing(out(), 'cancelled', ['g1', 'g2'])
    expect(nextMove(order, NOW + 300)).toEqual({ kind: 'close', why: 'expired', gateways: ['g1', 'g2'] })
    expect(closed(order, { why: 'expired' }, unredeemed, NOW + 300).state).toBe('expired')
  })

  test('a cancel of an intent without plans ends it at once', () => {
    expect(closing(fresh(), 'cancelled', ['g1'], { code: 'cancelled', message: 'x' }).state).toBe('cancelled')
  })

  test('what was redeemed before a cancel runs on', () => {
    const [g1, g2] = unredeemed as [(typeof unredeemed)[number], (typeof unredeemed)[number]]
    const plans = [{ ...g1, steps: g1.steps.map((s, i) => ({ ...s, redeemed: i === 0 ? 1 : 0 })) }, g2]
    const record = closed(closing(out(), 'cancelled', ['g1', 'g2']), { why: 'cancelled' }, plans, NOW)
    expect([record.state, record.steps.map(({ state }) => state)]).toEqual([
      'executing',
      ['waiting', 'cancelled', 'cancelled'],
    ])
    expect(take(record, { state: 'succeeded' }, 'S').record.state).toBe('partial')
  })

  test('at the end of a plan what was not redeemed expired, and what was is unknown until its gateway says', () => {
    const g1 = {
      gateway_id: 'g1',
      steps: [
        { step_id: 's0', redeemed: 1 },
        { step_id: 's1', redeemed: 0 },
      ],
    }
    const first = closed(out(), { why: 'expired' }, [g1], NOW + 300)
    expect(first.state).toBe('executing')
    const record = closed(first, { why: 'expired' }, [unredeemed[1] as (typeof unredeemed)[number]], NOW + 300)
    expect([record.state, record.steps.map(({ state }) => state)]).toEqual([
      'unknown',
      ['unknown', 'expired', 'expired'],
    ])
    expect(nextMove(record, NOW + 400)).toEqual({ kind: 'repeat', gateways: ['g1'] })
    const known = take(record, { state: 'succeeded' }, 'S', NOW + 900).record
    expect([known.state, known.n]).toEqual(['partial', record.n + 1])
    expect(take(known, { state: 'failed' }, 'F', NOW + 901).record).toBe(known)
  })

  test('a step whose last try ended without effect is refused at the end of its plan, not unknown', () => {
    const late = { state: 'refused', reason: { code: 'too_late', message: 'x' }, use_id: 'p-g1/s0/1' } as const
    const tried = take(out(2), late, 'A').record
    const plans = [{ gateway_id: 'g1', steps: [{ step_id: 's0', redeemed: 1 }] }]
    expect(closed(tried, { why: 'expired' }, plans, NOW + 300).steps[0]?.state).toBe('refused')
  })

  test('each plan is closed at its own end', () => {
    const at = planned(fresh(), [plan('g1', NOW + 5), plan('g2', NOW + 8)], steps, 1)
    const record = dispatched(at, ['p-g1', 'p-g2'], NOW)
    expect(nextMove(record, NOW + 5)).toEqual({ kind: 'close', why: 'expired', gateways: ['g1'] })
    const half = closed(record, { why: 'expired' }, [unredeemed[0] as (typeof unredeemed)[number]], NOW + 5)
    expect(nextMove(half, NOW + 6)).toEqual({ kind: 'wait', until: NOW + 8 })
  })
})

describe('waiting', () => {
  const shown = { n: 1, digest: digest('D'), decision: decision() }
  const waiting = () => waitsForApproval(decided(fresh(), 1, shown), shown, { count: 2, roles: ['manager'] })
  const word = (id: string, user: string) => ({
    approver_id: id,
    user,
    digest: digest('Y'),
    decision_digest: shown.digest,
  })

  test('for approvals: shown with how many are needed and given, until its expiry', () => {
    const record = waiting()
    expect(statusBody(record).approval).toEqual({ needed: 2, given: 0, roles: ['manager'], expires: NOW + 600 })
    expect(nextMove(record, NOW + 599)).toEqual({ kind: 'wait', until: NOW + 600 })
    expect(nextMove(record, NOW + 600)).toEqual({ kind: 'expire' })
  })

  test('two words of one user are one', () => {
    const once = approved(waiting(), word('p1', 'boss'), false, NOW)
    expect(approved(once, word('p2', 'boss'), false, NOW).approval?.given).toBe(1)
  })

  test('enough approvals: it is decided again', () => {
    const record = approved(waiting(), word('p1', 'boss'), true, NOW + 500)
    expect([record.state, nextMove(record, NOW + 500).kind]).toEqual(['approved', 'decide'])
  })

  test('approvals of another decision do not count for the one that is shown now', () => {
    const once = approved(waiting(), word('p1', 'boss'), false, NOW)
    const again = waitsForApproval(once, { ...shown, n: 2, digest: digest('E') }, { count: 2, roles: ['manager'] })
    expect([again.approvals, again.approval?.given]).toEqual([[], 0])
  })

  test('for an attestation: a stored result takes it on, also after the intent’s own end', () => {
    const record = waitsForAttestation(fresh(), decision(), { profile: 'p', max_age_s: 60 })
    expect(statusBody(record).attestation).toEqual({ profile: 'p', max_age_s: 60, expires: NOW + 600 })
    const next = attested(record, NOW + 500)
    expect([next.state, nextMove(next, NOW + 501).kind]).toEqual(['accepted', 'decide'])
  })

  test('nothing is decided any more after the intent’s end', () => {
    expect(nextMove(fresh(), NOW + 60)).toEqual({ kind: 'expire' })
  })
})

test('plans that may be out are sent again, never decided again', () => {
  const at = planned(fresh(), [plan('g1'), plan('g2')], steps, 1)
  expect(nextMove(at, NOW)).toEqual({ kind: 'dispatch', gateways: ['g1', 'g2'] })
  expect(nextMove(dispatched(at, ['p-g1'], NOW), NOW + 5)).toEqual({ kind: 'dispatch', gateways: ['g2'] })
})

describe('G12: plans and outcomes that a server lost after it had acknowledged them', () => {
  const open = out()
  const end = (step_id: string, gateway: string, record = open) =>
    take(record, { step_id, plan_id: `p-${gateway}`, iss: gateway, state: 'succeeded' }, step_id).record

  test('the plan is sent again while its gateway does not say how its steps ended, at doubled intervals', () => {
    expect(nextMove(open, NOW)).toEqual({ kind: 'wait', until: NOW + 10 })
    expect(nextMove(open, NOW + 10)).toEqual({ kind: 'repeat', gateways: ['g1', 'g2'] })
    const again = sentAgain(open, ['p-g1', 'p-g2'], NOW + 10)
    expect(again.n).toBe(open.n)
    expect(nextMove(again, NOW + 11)).toEqual({ kind: 'wait', until: NOW + 30 })
  })

  test('the plan of a gateway that said how all its steps ended is not sent again', () => {
    const half = end('s2', 'g2', end('s0', 'g1'))
    expect(nextMove(half, NOW + 10)).toEqual({ kind: 'repeat', gateways: ['g1'] })
    expect(nextMove(end('s1', 'g1', half), NOW + 10)).toEqual({ kind: 'settle' })
  })

  test('a step whose end is unknown is asked for after the plan’s end too, and not for ever', () => {
    const redeemed = [{ gateway_id: 'g2', steps: [{ step_id: 's2', redeemed: 1 }] }]
    const done = end('s1', 'g1', end('s0', 'g1'))
    const unknown = closed(done, { why: 'expired' }, redeemed, NOW + 300)
    expect([unknown.state, nextMove(unknown, NOW + 300)]).toEqual(['unknown', { kind: 'repeat', gateways: ['g2'] }])
    const often = Array.from({ length: 7 }).reduce<LiveRecord>((at) => sentAgain(at, ['p-g2'], NOW + 300), unknown)
    expect(nextMove(often, NOW + 301)).toEqual({ kind: 'wait', until: Number.POSITIVE_INFINITY })
  })

  test('a plan that is made anew after a restart is the one that was sent', () => {
    const anew = planned(open, [{ ...plan('g1'), plan_digest: digest('E') }], steps, 1)
    expect(nextMove(anew, NOW + 1)).toEqual({ kind: 'wait', until: NOW + 10 })
  })
})

test('a record survives the bucket as it was, and another’s bytes are no record', () => {
  const record = take(
    out(2),
    { state: 'refused', reason: { code: 'too_late', message: 'x' }, use_id: 'p/s/1' },
    'A',
  ).record
  expect(parseRecord(Buffer.from(formatRecord(record)))).toEqual(record)
  expect(() => parseRecord(Buffer.from('{"v":1,"digest":"x"}'))).toThrow('cannot be read')
  expect(() => parseRecord(Buffer.from('null'))).toThrow('cannot be read')
})

describe('a hundred steps that all fail with as many words as they may', () => {
  const many = Array.from({ length: 100 }, (_, index) => ({
    step_id: `s${index}`,
    device_id: `device-of-a-large-hall-number-${index}`,
    gateway_id: 'gateway-of-the-large-hall',
    group: 'all-devices-of-the-large-hall',
  }))
  const failed = (record: LiveRecord, message: string): LiveRecord =>
    many.reduce(
      (before, { step_id }) =>
        takeOutcome(
          before,
          outcome({ plan_id: 'p-g1', step_id, state: 'failed', reason: { code: 'action_failed', message } }),
          digest(step_id.slice(1, 2)),
          NOW,
        ).record,
      record,
    )
  const started = () =>
    dispatched(
      planned(
        decided(accepted(intent, { digest: DIGEST, kid: digest('K') }, many, NOW), 1, {
          n: 1,
          digest: digest('D'),
        }),
        [plan('g1')],
        many,
        1,
      ),
      ['p-g1'],
      NOW,
    )

  test.each(['e', 'ü', '😀', '"'])('G12: its record and its status fit into their streams (%s)', (letter) => {
    const record = failed(started(), letter.repeat(1000))
    expect(record.state).toBe('failed')
    expect(Buffer.byteLength(formatRecord(record))).toBeLessThan(60_000)
    expect((Buffer.byteLength(JSON.stringify(statusBody(record))) * 4) / 3).toBeLessThan(60_000)
    expect(parseRecord(Buffer.from(formatRecord(record)))).toEqual(record)
  })

  test('what one step says is kept whole', () => {
    const said = takeOutcome(
      out(),
      outcome({ state: 'failed', reason: { code: 'action_failed', message: 'e'.repeat(1000) } }),
      digest('O'),
      NOW,
    ).record
    expect(said.steps[0]?.reason?.message).toHaveLength(1000)
  })
})

test('what is kept of an intent that another jurisdiction decides names nobody', () => {
  const refused = accepted(intent, { digest: DIGEST, kid: digest('K') }, [], NOW, {
    code: 'wrong_jurisdiction',
    message: 'x',
  })
  const kept = withoutUser(refused)
  expect(formatRecord(refused)).toContain('"u1"')
  expect(formatRecord(kept)).not.toContain('u1')
  expect(parseRecord(Buffer.from(formatRecord(kept)))).toEqual(kept)
  expect(touchedByRecord(kept).users).toEqual([])
  expect(unsettledOf([{ key: 'a1.i1', record: kept, revision: 1 }], () => true)).toBe(0)
  expect(() => userOf(kept)).toThrow('not kept')
})
