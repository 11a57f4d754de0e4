import { type NewEvent, SubjectKeys, wrappingKeyOf } from '@writ/audit'
import { Fault, intentMessage, outcomeMessage, type Token } from '@writ/contracts'
import { digestOf, openMessage, signMessage } from '@writ/keys'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  AUDIENCE,
  createSmallPlant,
  nowSeconds,
  type PlanParts,
  planOf,
  REGION,
  type SmallPlant,
} from '../../../../test/support/world.ts'
import { type DispatchedPlan, Evidence } from '../adapters/evidence.ts'
import { Papers } from '../adapters/papers.ts'
import { Statuses } from '../adapters/statuses.ts'
import type { LiveRecord } from '../core/intent-record.ts'
import { accepted, executing, planned, sentOut, withoutUser } from '../core/transitions.ts'
import type { Sign } from '../ports.ts'
import { settle } from './settle.ts'
import { takeOutcome } from './take-outcome.ts'

/** What has to be durable, or said, before what: with a disk and a bus that the test holds back. */
let plant: SmallPlant
let parts: PlanParts
let record: LiveRecord
let evidence: Evidence
/** Events in the order in which the log took them; each is durable, or fails, when the test says so. */
let recorded: { types: string[]; events: readonly NewEvent[]; durable: () => void; fail: () => void }[]

beforeEach(async () => {
  plant = await createSmallPlant()
  parts = await planOf(plant)
  recorded = []
  const values = new Map<string, Uint8Array>()
  const store = {
    get: async (id: string) => values.get(id),
    create: async (id: string, wrapped: Uint8Array) => {
      values.set(id, wrapped)
      return true
    },
  }
  const keys = await SubjectKeys.open(wrappingKeyOf(new Uint8Array(32)), store, REGION)
  const audit = {
    record: (events: readonly NewEvent[]) =>
      new Promise<void>((resolve, reject) => {
        const fail = () => reject(new Fault('unavailable', { message: 'The disk is full.' }))
        recorded.push({ types: events.map(({ type }) => type), events, durable: resolve, fail })
      }),
    recordLater: () => undefined,
  }
  evidence = new Evidence(new Papers(audit, keys, { nowSeconds }), plant.authority)
  const intent = openMessage(intentMessage, parts.intent)
  const steps = [{ step_id: 's0', device_id: 'd1', gateway_id: 'g1', group: 'hall' }]
  const token = claimsOf<Token>(parts.token)
  const plan = {
    plan_id: token.plan_id,
    plan_digest: digestOf(parts.plan),
    gateway_id: 'g1',
    token_id: token.jti,
    exp: token.exp,
  }
  const taken = accepted(intent.claims, intent.jws, steps, nowSeconds())
  record = executing(sentOut(planned(taken, [plan], steps, 1), [plan.plan_id], nowSeconds()))
})

const claimsOf = <T>(jws: string): T => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as T
const types = () => recorded.flatMap((one) => one.types)
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('G4: plan.dispatched is not begun before its documents are durable', () => {
  const plan = (): DispatchedPlan => {
    const decision = claimsOf<DispatchedPlan['decision']>(parts.decision)
    const file = { decision: parts.decision, reports: [], approvals: [], attestations: [] }
    return {
      planDigest: digestOf(parts.plan),
      token: claimsOf<Token>(parts.token),
      tokenDigest: digestOf(parts.token),
      file,
      decision,
      earlier: [],
      records: [],
      approvers: [],
    }
  }

  test('one after the other', async () => {
    const dispatched = evidence.dispatched(record, parts.intent, [plan()])
    await vi.waitFor(() => expect(types()).toEqual(expect.arrayContaining(['intent.accepted', 'policy.decided'])))
    await vi.waitFor(() => expect(types().filter((type) => type === 'record.filed').length).toBeGreaterThan(2))
    await turn()
    expect(types()).not.toContain('plan.dispatched')
    const documents = [...recorded]
    const [last, ...others] = documents
    for (const one of others) one.durable()
    await turn()
    expect(types()).not.toContain('plan.dispatched')
    last?.durable()
    await vi.waitFor(() => expect(types().at(-1)).toBe('plan.dispatched'))
    recorded.at(-1)?.durable()
    await dispatched
  })

  test('and not at all when a disk takes one of them and not another', async () => {
    const dispatched = evidence.dispatched(record, parts.intent, [plan()])
    await vi.waitFor(() => expect(types().filter((type) => type === 'record.filed').length).toBeGreaterThan(2))
    for (const one of recorded) if (!one.types.includes('policy.decided')) one.durable()
    recorded.find((one) => one.types.includes('policy.decided'))?.fail()
    await expect(dispatched).rejects.toMatchObject({ code: 'unavailable' })
    expect(types()).not.toContain('plan.dispatched')
    // Who tries again records what failed, and waits for it.
    const again = evidence.dispatched(record, parts.intent, [plan()])
    await vi.waitFor(() => expect(types().filter((type) => type === 'policy.decided')).toHaveLength(2))
    await turn()
    expect(types()).not.toContain('plan.dispatched')
    recorded.at(-1)?.durable()
    await vi.waitFor(() => expect(types().at(-1)).toBe('plan.dispatched'))
    recorded.at(-1)?.durable()
    await again
  })
})

test('of an intent that another jurisdiction decides the log hears no user, nor a name for one', async () => {
  const { claims, jws } = openMessage(intentMessage, parts.intent)
  const reason = { code: 'wrong_jurisdiction', message: 'Ask elsewhere.' } as const
  const refused = accepted(claims, jws, [], nowSeconds(), reason)
  const ends = [refused, { ...withoutUser(refused), digest: digestOf('another') }].map((one) =>
    evidence.ended(one, undefined),
  )
  await vi.waitFor(() => expect(types().filter((type) => type === 'intent.refused')).toHaveLength(2))
  const events = recorded.flatMap((one) => one.events).filter(({ type }) => type === 'intent.refused')
  expect(events.map((event) => 'user' in event)).toEqual([true, false])
  for (const one of recorded) one.durable()
  await Promise.all(ends)
})

describe('an outcome', () => {
  let outcome: string
  beforeEach(async () => {
    const { plan_id, intent_digest } = claimsOf<Token>(parts.token)
    outcome = await signMessage(plant.world.signerOf('gateway', 'g1'), outcomeMessage, {
      iss: 'g1',
      aud: AUDIENCE,
      iat: nowSeconds(),
      plan_id,
      intent_digest,
      step_id: 's0',
      device_id: 'd1',
      action: 'restart',
      state: 'succeeded',
    })
  })

  /** A bus that keeps every store back until it is let through, and tells of what it has. */
  function slowBus() {
    const stored: string[] = []
    const held: (() => void)[] = []
    const store = (subject: string): Promise<{ seq: number }> =>
      new Promise((resolve) => {
        held.push(() => {
          stored.push(subject.split('.').slice(4).join('.'))
          resolve({ seq: stored.length })
        })
      })
    return { stored, held, bus: { store, last: async () => undefined } }
  }

  /** Records that hold the one intent. */
  function holding() {
    const state = { record: record as LiveRecord }
    const key = `${record.agent_id}.${record.intent_id}`
    const records = {
      index: { keyOf: () => key, get: () => ({ key, record: state.record, revision: 1 }) },
      modify: async (_: string, change: (latest: LiveRecord) => LiveRecord) => {
        const before = state.record
        state.record = change(before)
        return { before, after: state.record }
      },
    }
    return { state, records }
  }

  test('is shown before the status that names it', async () => {
    const { stored, held, bus } = slowBus()
    const meter = { state: () => undefined, outcome: () => undefined, passed: () => undefined }
    const sign: Sign = (message, claims) => signMessage(plant.world.services['intent-gateway'], message, claims)
    const statuses = new Statuses(bus, sign, { nowSeconds }, meter as never, REGION)
    const { records } = holding()
    const take = takeOutcome({
      ...({ records, statuses, evidence, meter } as never as Parameters<typeof takeOutcome>[0]),
      view: { authority: plant.authority, catchUp: async () => undefined } as never,
      clock: { nowSeconds },
      kick: () => undefined,
      reportLate: () => undefined,
    })
    const taking = take('g1', Buffer.from(outcome))
    await vi.waitFor(() => expect(held).toHaveLength(1))
    await vi.waitFor(() => expect(types()).toContain('action.succeeded'))
    await turn()
    expect([held.length, stored]).toEqual([1, []])
    held[0]?.()
    await vi.waitFor(() => expect(held).toHaveLength(2))
    held[1]?.()
    for (const one of recorded) one.durable()
    await taking
    expect(stored).toEqual([`a1.${record.intent_id}.s0`, `a1.${record.intent_id}`])
  })

  test('is counted by a replica that has not heard yet that its plan went out', async () => {
    const { held, bus } = slowBus()
    const meter = {
      state: () => undefined,
      outcome: () => undefined,
      passed: () => undefined,
      refused: () => undefined,
    }
    const sign: Sign = (message, claims) => signMessage(plant.world.services['intent-gateway'], message, claims)
    const { state, records } = holding()
    const current = state.record
    // What it heard last; the bucket has more.
    state.record = { ...current, plans: [], state: 'approved' }
    const refused: string[] = []
    const take = takeOutcome({
      ...({
        statuses: new Statuses(bus, sign, { nowSeconds }, meter as never, REGION),
        evidence,
        meter,
      } as never as Parameters<typeof takeOutcome>[0]),
      records: {
        ...records,
        read: async () => {
          state.record = current
          return current
        },
      } as never,
      refusals: { count: (_: string, code: string) => void refused.push(code) } as never,
      view: { authority: plant.authority, catchUp: async () => undefined } as never,
      clock: { nowSeconds },
      kick: () => undefined,
      reportLate: () => undefined,
    })
    const taking = take('g1', Buffer.from(outcome))
    await vi.waitFor(() => expect(held).toHaveLength(1))
    held[0]?.()
    await vi.waitFor(() => expect(held).toHaveLength(2))
    held[1]?.()
    await vi.waitFor(() => expect(types()).toContain('action.succeeded'))
    for (const one of recorded) one.durable()
    await taking
    expect([refused, state.record.steps.map((step) => step.state)]).toEqual([[], ['succeeded']])
  })

  test('is durable in the log before its intent is settled', async () => {
    const done: string[] = []
    const ended = {
      ...record,
      state: 'succeeded' as const,
      steps: record.steps.map((step) => ({
        ...step,
        state: 'succeeded' as const,
        ended: true as const,
        outcome_digest: digestOf(outcome),
      })),
    }
    const note = (what: string) => async () => void done.push(what)
    const settling = settle({
      statuses: { say: note('said') },
      records: { approvals: async () => [], forgetTexts: note('texts forgotten'), settle: note('settled') },
      files: { forget: note('decision forgotten'), forgetAfter: async () => undefined },
      outcomes: { read: async () => outcome, forgetLater: () => undefined },
      evidence,
      made: new Map(),
      meter: { passed: () => undefined, finished: () => undefined },
    } as never)(ended)
    await vi.waitFor(() => expect(types()).toContain('action.succeeded'))
    await turn()
    expect(done).toEqual(['said'])
    for (const one of recorded) one.durable()
    await settling
    expect(done).toEqual(['said', 'texts forgotten', 'settled'])
  })
})
