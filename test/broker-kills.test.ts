import type { ChildProcess } from 'node:child_process'
import { jetstreamManager } from '@nats-io/jetstream'
import {
  type AuditEvent,
  intentMessage,
  type Outcome,
  type Plan,
  REST,
  type Result,
  statusMessage,
} from '@writ/contracts'
import { digestOf, jsonSha256, openMessage } from '@writ/keys'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { at, BrokerStage, kill, until } from './support/broker-stage.ts'
import { brokerSteps } from './support/broker-steps.ts'
import { type BusGate, startBusGate } from './support/bus-gate.ts'
import { freshId, nowSeconds, OBLIGATIONS } from './support/world.ts'

// Between every two steps of the order in which the broker works: what intent-gateway keeps, records and sends of an intent from its
// arrival to its end. The built process is killed there with kill -9, and started again on what it left behind.

const WITHIN_MS = 60_000

let stage: BrokerStage
let gate: BusGate
let child: ChildProcess
/** Every status that was announced, in order. */
const said: { id: string; n: number; state: string }[] = []

beforeAll(async () => {
  stage = await BrokerStage.open()
  await stage.ackWait(2)
  gate = await startBusGate(stage.nats.url, brokerSteps)
  child = await stage.spawn('ig0', gate.url)
  await stage.fileAll()
  const agent = await stage.bus('agent', 'a1')
  await agent.subscribe(at.status('a1', REST), ({ data, subject }) => {
    if (at.parse(subject)?.form !== 'status') return
    const { intent_id, n, state } = openMessage(statusMessage, data).claims
    said.push({ id: intent_id, n, state })
  })
})
afterEach(() => stage.reset())
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await gate?.[Symbol.asyncDispose]()
})

const idOf = (intent: string) => openMessage(intentMessage, intent).claims.jti
const FINAL = ['succeeded', 'failed', 'partial', 'denied', 'expired', 'cancelled', 'revoked', 'unknown']

async function waiting(stream: string): Promise<number> {
  return (await (await jetstreamManager(stage.nats.store)).streams.info(stream)).state.messages
}

/** Whether a gateway begins when the status says that it may, and says the end when its begin was taken. */
type Patience = 'waits' | 'does not wait' | 'begins at once'

/**
 * Gateways as the contract has them: each step of a plan is done once, its begin said when it begins and its end, if
 * the gateway waits, after that was taken; a plan that is done is answered with the same outcomes.
 */
function doOnce(
  patience: Patience = 'waits',
  result: Pick<Outcome, 'result' | 'result_sha256'> = {},
): Map<string, number> {
  const done = new Map<string, number>()
  const outcomes = new Map<string, string[]>()
  const told = async (gateway: string, plan: Plan, state: 'started' | 'succeeded', step: Plan['steps'][number]) => {
    const outcome = await stage.outcome(plan, { ...step, state, ...(state === 'succeeded' && result) })
    outcomes.set(plan.plan_id, [...(outcomes.get(plan.plan_id) ?? []), outcome])
    await stage.report(gateway, outcome)
  }
  stage.onPlan = async (gateway, plan) => {
    if (outcomes.has(plan.plan_id)) {
      for (const outcome of outcomes.get(plan.plan_id) ?? []) await stage.report(gateway, outcome)
      return
    }
    outcomes.set(plan.plan_id, [])
    const id = idOf(plan.intent)
    if (patience !== 'begins at once')
      await until(async () => (await stage.status(id))?.state === 'executing', WITHIN_MS)
    for (const step of plan.steps) {
      done.set(`${plan.plan_id}/${step.step_id}`, (done.get(`${plan.plan_id}/${step.step_id}`) ?? 0) + 1)
      await told(gateway, plan, 'started', step)
      if (patience !== 'does not wait') await until(async () => (await waiting('OUTCOMES')) === 0, WITHIN_MS)
      await told(gateway, plan, 'succeeded', step)
    }
  }
  return done
}

type Place = { readonly before: string } | { readonly after: string }

/** Kills the process when it stands there, and starts another on the same directory. `act` brings it there. */
async function killedAt(place: Place, act: () => Promise<void>): Promise<ReadonlySet<string>> {
  const reached = 'before' in place ? gate.closeBefore(place.before) : gate.closeAfter(place.after)
  await act()
  await reached
  await kill(child)
  const passed = new Set(gate.passed)
  gate.open()
  child = await stage.spawn('ig0', gate.url)
  return passed
}

const eventsOf = async (intent: string): Promise<(AuditEvent & { readonly source: string })[]> => {
  const digest = digestOf(intent)
  const seen = new Map<string, string>()
  const found: (AuditEvent & { readonly source: string })[] = []
  for (const { source, seq, events } of await stage.audit()) {
    const text = JSON.stringify(events)
    const same = seen.get(`${source} ${seq}`)
    // What was not acknowledged comes again, the same bytes.
    if (same !== undefined) expect(text).toBe(same)
    else found.push(...events.map((event) => ({ ...event, source })))
    seen.set(`${source} ${seq}`, text)
  }
  return found.filter(({ intent_digest }) => intent_digest === digest)
}

/** The one end of an intent, everything about it in the log, and nothing of it left anywhere. */
async function endsOnce(intent: string, state: string, types: readonly AuditEvent['type'][]): Promise<void> {
  const id = idOf(intent)
  const bucket = (await stage.bus('intent-gateway', 'reader')).bucket('intents')
  const kept = async () => JSON.parse(Buffer.from((await bucket.get(`a1.${id}`))?.value ?? '{}').toString())
  await until(async () => (await kept()).done === true, WITHIN_MS)
  expect((await stage.status(id))?.state).toBe(state)
  expect((await kept()).state).toBe(state)
  expect(Buffer.from((await bucket.get(`a1.${id}.intent`))?.value ?? '').toString()).toBe('-')
  for (const stream of ['INTENTS', 'OUTCOMES', 'PLANS'])
    await until(async () => (await waiting(stream)) === 0, WITHIN_MS)

  const own = said.filter((status) => status.id === id)
  expect([...new Set(own.map((status) => status.state).filter((one) => FINAL.includes(one)))]).toEqual([state])
  for (const one of own) for (const other of own) if (one.n === other.n) expect(one.state).toBe(other.state)

  await until(async () => {
    const logged = new Set((await eventsOf(intent)).map(({ type }) => type))
    return types.every((type) => logged.has(type))
  }, WITHIN_MS)
  const logged = await eventsOf(intent)
  expect(new Set(logged.map(({ event_id }) => event_id)).size).toBe(logged.length)
  // What a process that was killed cannot have known to be recorded, the next one says once in its own chain.
  const names = logged
    .filter(({ type }) => type !== 'policy.decided')
    .map(({ type, source, plan_id, detail }) => [source, type, plan_id, detail?.['outcome_digest']].join(' '))
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(logged.map(({ source }) => source)).size).toBeLessThanOrEqual(2)
  for (const { plan, digest } of stage.plans.filter((sent) => sent.plan.intent === intent)) {
    expect(logged.filter(({ detail }) => detail?.['plan_digest'] === digest).map(({ plan_id }) => plan_id)).toContain(
      plan.plan_id,
    )
  }
}

/** Whoever is not answered sends the same again. */
async function answered(send: () => Promise<Result>): Promise<Result> {
  let answer: Result | undefined
  await until(async () => {
    answer = await send().catch(() => undefined)
    return answer !== undefined && answer.code !== 'unavailable'
  }, WITHIN_MS)
  return answer as Result
}

/** Plans that came more than once were the same plan. */
function sentAsOne(intent: string, gateways: number): void {
  const plans = stage.plansOf(intent)
  expect(new Set(plans.map(({ plan_id }) => plan_id)).size).toBe(gateways)
  expect(new Set(plans.map(({ token }) => token)).size).toBe(gateways)
}

const RAN = ['intent.accepted', 'policy.decided', 'plan.dispatched', 'action.started', 'action.succeeded'] as const

describe('G4, G5, G12: an intent that runs is done once and ends once, wherever intent-gateway was killed', () => {
  async function runs(
    place: Place,
    targets: readonly string[] = ['d1'],
    patience?: Patience,
    result?: Pick<Outcome, 'result' | 'result_sha256'>,
  ): Promise<ReadonlySet<string>> {
    const done = doOnce(patience, result)
    const intent = await stage.intent({ targets: [...targets] })
    const passed = await killedAt(place, () => stage.send(intent))
    await endsOnce(intent, 'succeeded', RAN)
    sentAsOne(intent, targets.length)
    expect([...done.values()]).toEqual(targets.map(() => 1))
    return passed
  }

  test.each([
    ['intent kept', 'state created'],
    ['state created', 'status accepted'],
    ['status accepted', 'intent acknowledged'],
    ['state created', 'policy.decide'],
    ['state created', 'intent.accepted'],
    ['policy.decide', 'decision kept'],
    ['decision kept', 'policy.decided'],
    ['decision kept', 'token.issue'],
    ['token.issue', 'plan recorded'],
    ['plan recorded', 'status approved'],
    ['plan recorded', 'plan.dispatched'],
    ['plan.dispatched', 'plan sent'],
    ['plan sent', 'plan noted as sent'],
    ['plan noted as sent', 'status executing'],
    ['start counted', 'started shown'],
    ['started shown', 'start acknowledged'],
    ['start acknowledged', 'end counted'],
    ['end counted', 'succeeded shown'],
    ['succeeded shown', 'status succeeded'],
    ['end counted', 'action.succeeded'],
    ['status succeeded', 'end acknowledged'],
    ['status succeeded', 'intent forgotten'],
    ['intent forgotten', 'intent settled'],
  ])('between “%s” and “%s”', async (before, next) => {
    const passed = await runs({ before: next })
    expect([passed.has(before), passed.has(next)]).toEqual([true, false])
  })

  test.each([
    'intent kept',
    'state created',
    'intent acknowledged',
    'decision kept',
    'plan recorded',
    'plan.dispatched',
    'plan sent',
    'plan noted as sent',
    'end counted',
    'action.succeeded',
    'end acknowledged',
    'intent settled',
  ])('after “%s”, before it could know that', async (step) => {
    expect(await runs({ after: step })).toContain(step)
  })

  test('between “start counted” and “started shown”, by a gateway that says the end at once', async () => {
    expect(await runs({ before: 'started shown' }, ['d1'], 'does not wait')).toContain('start counted')
  })

  test.each([
    [{ before: 'start counted' }, false],
    [{ after: 'start counted' }, true],
    [{ before: 'started shown' }, true],
  ] as const)('by a gateway that begins before it is noted that its plan is out: %o', async (place, counted) => {
    const passed = await runs(place, ['d1'], 'begins at once')
    expect([passed.has('plan sent'), passed.has('start counted')]).toEqual([true, counted])
  })

  // What a record has no room for is kept under a key of its own, before anything is made of it.
  test.each([{ before: 'end counted' }, { after: 'end kept' }])('with a large result: %o', async (place) => {
    const result = { text: 'x'.repeat(7000) }
    const passed = await runs(place, ['d1'], 'waits', { result, result_sha256: jsonSha256(result) })
    expect(passed).toContain('end kept')
  })

  test('between the plan of one gateway and that of the other', async () => {
    const passed = await runs({ before: 'plan sent to g2' }, ['d1', 'd3'])
    expect(passed).toContain('plan sent to g1')
  })
})

describe('an approver’s word counts once and is in the log, wherever intent-gateway was killed', () => {
  const obligations = { ...OBLIGATIONS, approvals: { count: 1, roles: ['manager'], expires_s: 600 } }

  async function approves(verdict: 'approve' | 'reject', place: Place): Promise<ReadonlySet<string>> {
    const done = doOnce()
    stage.decide = async (request) => {
      const wait = request.approvals.length === 0 && { outcome: 'needs_approval' as const, exp: nowSeconds() + 600 }
      return { ok: true, decision: await stage.decisionOf(request, { obligations, ...wait }), reports: [] }
    }
    const approver = await stage.bus('approver', 'p1')
    const shown: string[] = []
    const listening = await approver.subscribe(at.pending('p1'), ({ data }) => shown.push(Buffer.from(data).toString()))
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(idOf(intent), 'needs_approval')
    await until(() => shown.length > 0, WITHIN_MS)
    listening.unsubscribe()
    const word = await stage.approve('p1', shown[0] ?? '', { verdict })
    const passed = await killedAt(place, async () => {
      stage.sendApproval('p1', word).catch(() => undefined)
    })
    expect(await answered(() => stage.sendApproval('p1', word))).toMatchObject({ ok: true, request: digestOf(word) })
    const approved = verdict === 'approve'
    const types = approved ? RAN : (['intent.accepted', 'policy.decided', 'intent.refused'] as const)
    await endsOnce(intent, approved ? 'succeeded' : 'denied', [...types, 'approval.requested', 'approval.given'])
    sentAsOne(intent, approved ? 1 : 0)
    expect([...done.values()]).toEqual(approved ? [1] : [])
    expect(await answered(() => stage.sendApproval('p1', word))).toMatchObject({ ok: true })
    return passed
  }

  test.each([
    ['approve', 'approval claimed', 'approval kept'],
    ['approve', 'approval kept', 'approval counted'],
    ['approve', 'approval counted', 'approval.given'],
    ['approve', 'approval.given', 'answered'],
    ['reject', 'approval kept', 'reject counted'],
    ['reject', 'reject counted', 'approval.given'],
    ['reject', 'approval.given', 'answered'],
  ] as const)('a word to %s, between “%s” and “%s”', async (verdict, before, next) => {
    const passed = await approves(verdict, { before: next })
    expect([passed.has(before), passed.has(next)]).toEqual([true, false])
  })

  test.each([
    ['approve', 'approval counted'],
    ['reject', 'reject counted'],
  ] as const)('a word to %s, after “%s”, before it could know that', async (verdict, step) => {
    expect(await approves(verdict, { after: step })).toContain(step)
  })
})

describe('a cancel ends an intent once, wherever intent-gateway was killed', () => {
  test.each([
    ['cancel kept', 'cancel counted'],
    ['cancel counted', 'cancel acknowledged'],
    ['cancel counted', 'token.close'],
    ['token.close', 'closing counted'],
    ['closing counted', 'status cancelled'],
    ['status cancelled', 'intent settled'],
  ])('between “%s” and “%s”', async (before, next) => {
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(idOf(intent), 'executing')
    const cancel = await stage.cancel(intent)
    const passed = await killedAt({ before: next }, () => stage.send(cancel))
    expect([passed.has(before), passed.has(next)]).toEqual([true, false])
    await endsOnce(intent, 'cancelled', ['intent.accepted', 'policy.decided', 'plan.dispatched'])
    sentAsOne(intent, 1)
  })
})

describe('a record is filed once and is in the log, wherever intent-gateway was killed', () => {
  test.each([
    ['command claimed', 'record filed'],
    ['record filed', 'answer kept'],
    ['answer kept', 'record.filed'],
    ['record.filed', 'answered'],
  ])('between “%s” and “%s”', async (before, next) => {
    const id = freshId('n')
    const { jwk } = stage.signer('agent', id)
    const record = { keys: [jwk], users: ['u1'], actions: ['restart'], groups: ['hall'] }
    const command = await stage.command('agent', id, record)
    const passed = await killedAt({ before: next }, async () => {
      stage.sendCommand(command).catch(() => undefined)
    })
    expect([passed.has(before), passed.has(next)]).toEqual([true, false])
    const yes = { ok: true, version: 1, request: digestOf(command) }
    expect(await answered(() => stage.sendCommand(command))).toMatchObject(yes)
    expect(await answered(() => stage.sendCommand(command))).toMatchObject(yes)
    expect(await stage.filedVersions('agent', id)).toBe(1)
    const filed = new Set<string>()
    for (const { source, events } of await stage.audit())
      for (const { type, event_id, detail } of events)
        if (type === 'record.filed' && detail?.['id'] === id) filed.add(`${source} ${event_id}`)
    expect(filed.size).toBeGreaterThan(0)
    expect(new Set([...filed].map((name) => name.split(' ')[0])).size).toBe(filed.size)
  })
})
