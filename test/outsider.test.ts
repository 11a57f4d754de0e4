import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Msg } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Attacker, intentClaims } from './support/hostile-intents.ts'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { type LocalJson, Outsider, until } from './support/outsider.ts'
import { OutsiderGateway, stepsOf } from './support/outsider-gateway.ts'
import {
  type Claims,
  digest,
  freshId,
  makeKey,
  nowSeconds,
  type OutsiderKey,
  open,
  signed,
} from './support/outsider-jws.ts'

// CONTRACT.md is enough: an agent, a gateway and an operator that use a NATS client and a JWS library, and none of this
// project's code, take part in the real system. What becomes of those who attack it is in hostile-messages.test.ts.

const INTENT = 'writ-intent+jwt'
let local: LocalStack
let plane: LocalJson
let agent: Outsider
let busy: Outsider
let operator: Outsider
let approver: Outsider
let gateway: OutsiderGateway
let attacker: Attacker
let heard: Msg[]

async function enrolled(kind: string, id: string, key: OutsiderKey, ...options: string[]): Promise<Outsider> {
  const file = join(local.home, `${id}.public.jwk`)
  await writeFile(file, JSON.stringify(key.jwk))
  const out = join(local.home, 'outside', id)
  await local.writ([kind, 'create', id, ...options, '--key', file, '--out', out])
  return Outsider.connect(plane, out, key)
}

beforeAll(async () => {
  local = await startLocalStack('outsider')
  plane = JSON.parse(await readFile(join(local.home, 'local.json'), 'utf8')) as LocalJson
  const key = await makeKey('ES256')
  const here = ['--jurisdiction', REGION]
  const ceiling = ['--users', 'u-ext', '--actions', 'telemetry-read,restart,config-change', '--groups', 'ext']
  const gatewayLogin = await enrolled('gateway', 'gw-ext', await makeKey('ES256'), ...here)
  ;[agent, busy, operator, approver] = await Promise.all([
    enrolled('agent', 'ext-agent', key, ...ceiling),
    enrolled('agent', 'ext-busy', await makeKey('EdDSA'), ...ceiling, '--unfinished-max', '2'),
    enrolled('operator', 'olga', await makeKey('EdDSA'), '--user', 'u-olga'),
    enrolled('approver', 'ext-pat', await makeKey('EdDSA'), '--user', 'u-pat', '--roles', 'shift-lead'),
    local.writ([
      'device',
      'create',
      'ext-1',
      '--gateway',
      'gw-ext',
      '--group',
      'ext',
      ...here,
      '--actions',
      'telemetry-read,restart',
    ]),
  ])
  gateway = new OutsiderGateway(gatewayLogin)
  const [agentId, device, user] = ['ext-agent', 'ext-1', 'u-ext']
  attacker = { agentId, aud: agent.aud, key, user, device }
  heard = agent.listen(agent.at('status', 'ext-agent', '>'))
  await agent.nc.flush()
})
afterAll(async () => {
  await Promise.all([agent, busy, operator, approver, gateway?.me].map((each) => each?.[Symbol.asyncDispose]()))
  await local?.[Symbol.asyncDispose]()
})

async function publish(by: Outsider, body: string | Uint8Array): Promise<void> {
  const { stream } = await by.js.publish(by.at('intent', by.id), body)
  expect(stream).toBe('INTENTS')
}

/** Signs and publishes an intent of the agent (or another); its id and digest. */
async function ask(changes: Claims = {}, by: Outsider = agent): Promise<{ id: string; digest: string; body: string }> {
  const claims = intentClaims({ ...attacker, agentId: by.id, key: by.key }, changes)
  const body = await signed(by.key, INTENT, claims)
  await publish(by, body)
  return { id: String(claims['jti']), digest: digest(body), body }
}

/** The status of an intent by direct get, verified; undefined: there is none. */
async function statusOf(id: string, by: Outsider = agent): Promise<Claims | undefined> {
  const compact = await by.last('STATUS', by.at('status', by.id, id))
  return compact === undefined ? undefined : (await by.fromService(compact, 'intent-gateway', 'writ-status+jwt')).claims
}

function untilState(id: string, state: string, by: Outsider = agent): Promise<Claims> {
  return until(`${id} is ${state}`, async () => {
    const status = await statusOf(id, by)
    return status?.['state'] === state ? status : undefined
  })
}

const codesOf = (status: Claims | undefined): unknown[] =>
  ((status?.['reasons'] ?? []) as Claims[]).map((reason) => reason['code'])
const heardOf = (id: string): Msg[] => heard.filter(({ subject }) => subject === agent.at('status', 'ext-agent', id))

/** Sends a query, or anything else that is answered, and verifies the answer. */
async function queried(by: Outsider, what: string, args: Claims = {}): Promise<Claims> {
  const iat = nowSeconds()
  const claims = { iss: by.id, aud: by.aud, iat, exp: iat + 30, jti: freshId(), what, args }
  const body = await signed(by.key, 'writ-query+jwt', claims)
  const reply = await by.ask(by.at('query', by.kind, by.id), body)
  const answer = await by.fromService(reply, 'intent-gateway', open(reply).typ)
  expect(answer.claims['request']).toBe(digest(body))
  return answer.claims
}

async function command(claims: Claims, by: Outsider = operator): Promise<{ body: string; result: Claims }> {
  const iat = nowSeconds()
  const body = await signed(by.key, 'writ-command+jwt', {
    iss: by.id,
    aud: by.aud,
    iat,
    exp: iat + 120,
    jti: freshId(),
    version: 1,
    reason: 'An outsider operates.',
    ...claims,
  })
  return { body, result: await send(body, by) }
}

async function send(body: string, by: Outsider): Promise<Claims> {
  const reply = await by.ask(by.at('command', by.id), body)
  const { claims } = await by.fromService(reply, 'intent-gateway', 'writ-result+jwt')
  expect(claims['request']).toBe(digest(body))
  return claims
}

const device = (id: string, record: Claims): Promise<{ body: string; result: Claims }> =>
  command({
    kind: 'device',
    id,
    record: { group: 'ext', jurisdiction: REGION, actions: ['telemetry-read'], ...record },
  })

async function control(claims: Claims, { prev, ttl }: { prev?: number; ttl?: string } = {}): Promise<number> {
  const { seq, last } = await operator.readControl()
  const body = await signed(operator.key, 'writ-control+jwt', {
    iss: 'olga',
    aud: operator.aud,
    iat: nowSeconds(),
    jti: freshId(),
    prev: prev ?? seq,
    reason: 'An outsider withdraws.',
    ...claims,
  })
  const expect = { lastSubjectSequence: last, lastSubjectSequenceSubject: operator.at('control', '*') }
  return (await operator.js.publish(operator.at('control', 'olga'), body, { expect, ...(ttl && { ttl }) })).seq
}

describe('a gateway that nobody here has written', () => {
  test('carries out what an agent that nobody here has written asks for', async () => {
    await gateway.record({ type: 'source.started', status: 'succeeded' })
    await gateway.report('ext-1', { mode: 'running', guard: 'closed' }, '10.1.2.3')
    const sealed = gateway.me.listen(gateway.me.at('sealed'))
    const intent = await ask({ action: 'restart' })
    const taken = await gateway.take()
    expect(taken.intent.compact).toBe(intent.body)
    const [step] = stepsOf(taken)
    if (step === undefined) throw new Error('a plan has a step')
    expect([step.step_id, step.device_id]).toEqual(['s0', 'ext-1'])
    expect(await gateway.redeem(await gateway.redeemOf(taken, 's0'))).toEqual({ use: 1 })
    await gateway.outcome(taken, step, 'started', { started_at: nowSeconds() })
    await untilStep(intent.id, 'started')
    const about = { device_id: 'ext-1', intent_digest: intent.digest, plan_id: taken.plan.claims['plan_id'] }
    await gateway.record({ type: 'action.started', status: 'started', ...about })
    const end = await gateway.outcome(taken, step, 'succeeded', {
      result: { mode: 'running' },
      finished_at: nowSeconds(),
    })
    const recorded = await gateway.record({ type: 'action.succeeded', status: 'succeeded', ...about })
    const status = await untilState(intent.id, 'succeeded')
    expect(await taken.message.ackAck()).toBe(true)
    expect(status['intent_digest']).toBe(intent.digest)
    expect(status['steps']).toMatchObject([{ state: 'succeeded', gateway_id: 'gw-ext', outcome_digest: digest(end) }])
    const kept = await agent.last('STATUS', agent.at('status', 'ext-agent', intent.id, 's0'))
    expect(kept).toBe(end)
    const outcome = await agent.fromParty(kept ?? '', 'gateway', 'gw-ext', 'writ-outcome+jwt')
    expect(outcome.claims['result']).toEqual({ mode: 'running' })
    const live = await Promise.all(
      heardOf(intent.id).map((each) => agent.fromService(each.string(), 'intent-gateway', 'writ-status+jwt')),
    )
    expect(live.map(({ claims }) => claims['n'])).toEqual(live.map((_, index) => index + 1))
    expect(live.at(-1)?.claims).toEqual(status)
    await until('the gateway’s chain is sealed', async () => {
      for (const { data } of sealed) {
        const { claims } = await agent.fromService(Buffer.from(data).toString(), 'audit-sink', 'writ-sealed+jwt')
        if (((claims['heads'] as Record<string, number>)[gateway.source] ?? -1) >= recorded) return true
      }
      return false
    })
  })

  const untilStep = (id: string, state: string): Promise<Claims> =>
    until(`a step of ${id} is ${state}`, async () => {
      const status = await statusOf(id)
      return (status?.['steps'] as Claims[] | undefined)?.[0]?.['state'] === state ? status : undefined
    })

  test('gets the same answer to the same redeem, and no second use from any other', async () => {
    const { id } = await ask()
    const taken = await gateway.take()
    const [step] = stepsOf(taken)
    if (step === undefined) throw new Error('a plan has a step')
    const unknown = await gateway.redeemOf(taken, 's0', { token_digest: digest('a.b.c') })
    expect(await gateway.redeem(unknown)).toEqual({ code: 'token_unknown' })
    expect(await gateway.redeem(await gateway.redeemOf(taken, 's1'))).toEqual({ code: 'scope_exceeded' })
    const redeem = await gateway.redeemOf(taken, 's0')
    const answers = await Promise.all(Array.from({ length: 5 }, () => gateway.redeem(redeem)))
    expect(answers).toEqual(answers.map(() => ({ use: 1 })))
    expect(await gateway.redeem(await gateway.redeemOf(taken, 's0'))).toEqual({ code: 'token_spent' })
    const second = await gateway.redeemOf(taken, 's0', { use_id: `${taken.plan.claims['plan_id']}/s0/2` })
    expect(await gateway.redeem(second)).toEqual({ code: 'token_spent' })
    const stale = await gateway.redeemOf(taken, 's0', { iat: nowSeconds() - 100, exp: nowSeconds() - 50 })
    expect(await gateway.redeem(stale)).toEqual({ code: 'expired' })
    await gateway.outcome(taken, step, 'failed', { reason: { code: 'action_failed', message: 'It did not move.' } })
    await untilState(id, 'failed')
    await taken.message.ackAck()
  })

  test('moves an intent to no other end once it has said one', async () => {
    const { id } = await ask()
    const taken = await gateway.take()
    const [step] = stepsOf(taken)
    if (step === undefined) throw new Error('a plan has a step')
    await gateway.redeem(await gateway.redeemOf(taken, 's0'))
    const counted = () => local.counter('intent-gateway', 'writ_messages_refused_total', 'malformed')
    const refused = await counted()
    await gateway.outcome(taken, step, 'succeeded', { result: { text: 'x'.repeat(9000) } })
    await gateway.outcome(taken, step, 'succeeded', { result: {}, mood: 'good' })
    await until('what does not fit is counted', async () => (await counted()) >= refused + 2)
    const first = await gateway.outcome(taken, step, 'succeeded', { result: {} })
    await untilState(id, 'succeeded')
    const late = () => local.counter('intent-gateway', 'writ_outcomes_total', 'state="late"')
    const before = await late()
    await gateway.outcome(taken, step, 'failed', { reason: { code: 'action_failed', message: 'Another story.' } })
    await taken.message.ackAck()
    await until('it is told as late', async () => (await late()) > before)
    expect((await statusOf(id))?.['state']).toBe('succeeded')
    expect(await agent.last('STATUS', agent.at('status', 'ext-agent', id, 's0'))).toBe(first)
  })
})

describe('somebody who asks what there is', () => {
  test('gets the exact messages page by page, and only what is theirs to know', async () => {
    const pages: string[][] = []
    for (let after: unknown; pages.length < 20; ) {
      const page = await queried(agent, 'intents', { limit: 2, ...(after !== undefined && { after }) })
      pages.push(page['items'] as string[])
      after = page['next']
      if (after === undefined) break
    }
    const statuses = await Promise.all(
      pages.flat().map((item) => agent.fromService(item, 'intent-gateway', 'writ-status+jwt')),
    )
    expect(pages.every((page) => page.length <= 2)).toBe(true)
    const ids = statuses.map(({ claims }) => claims['intent_id'])
    expect([new Set(ids).size, ids.length]).toEqual([ids.length, 3])
    const tokens = (await queried(operator, 'tokens', { agent_id: 'ext-agent' }))['items'] as string[]
    for (const token of tokens) await operator.fromService(token, 'token-issuer', 'writ-token+jwt', 'gw-ext')
    expect(tokens).toHaveLength(3)
    const agents = (await queried(operator, 'registry', { kind: 'agent' }))['items'] as string[]
    const names = (await Promise.all(agents.map((value) => operator.verifyRecord(value)))).map(
      ({ claims }) => claims['id'],
    )
    expect(names).toEqual(expect.arrayContaining(['ext-agent', 'ext-busy', 'maintenance']))
    for (const what of ['tokens', 'registry', 'pending', 'secrets'])
      expect(await queried(agent, what)).toMatchObject({
        ok: false,
        code: what === 'secrets' ? 'malformed' : 'wrong_role',
      })
    expect(await queried(approver, 'intents')).toMatchObject({ ok: false, code: 'wrong_role' })
  })
})

describe('an approver who uses a NATS client', () => {
  const say = async (claims: Claims): Promise<Claims> => {
    const iat = nowSeconds()
    const whole = { iss: 'ext-pat', aud: approver.aud, iat, exp: iat + 300, jti: freshId(), ...claims }
    const reply = await approver.ask(
      approver.at('approval', 'ext-pat'),
      await signed(approver.key, 'writ-approval+jwt', whole),
    )
    return (await approver.fromService(reply, 'intent-gateway', 'writ-result+jwt')).claims
  }

  test('is shown the exact messages, and the gateway is handed the approval of exactly those', async () => {
    const floors = { 'telemetry-read': { approvals: { count: 1, roles: ['shift-lead'] } } }
    expect((await device('ext-people', { gateway_id: 'gw-ext', floors })).result).toMatchObject({ ok: true })
    const pending = approver.listen(approver.at('pending', 'ext-pat'))
    await approver.nc.flush()
    const intent = await ask({ targets: ['ext-people'] })
    const status = await untilState(intent.id, 'needs_approval')
    expect(status['approval']).toMatchObject({ needed: 1, given: 0, roles: ['shift-lead'] })
    const message = await until('the approver hears of it', () => pending[0])
    const request = await approver.fromService(message.string(), 'intent-gateway', 'writ-approval-request+jwt')
    const shown = request.claims as { intent: string; decision: string; records: string[] }
    expect(shown.intent).toBe(intent.body)
    const decision = await approver.fromService(shown.decision, 'policy-evaluator', 'writ-decision+jwt')
    expect(decision.claims).toMatchObject({ outcome: 'needs_approval', intent_digest: intent.digest })
    const records = await Promise.all(shown.records.map((value) => approver.verifyRecord(value)))
    expect(records.map(({ claims }) => claims['id'])).toEqual(expect.arrayContaining(['ext-agent', 'ext-people']))
    const [listed] = (await queried(approver, 'pending'))['items'] as string[]
    expect(open(listed ?? '').claims['decision']).toBe(shown.decision)
    const about = { intent_digest: intent.digest, decision_digest: decision.digest, verdict: 'approve' }
    expect(await say({ ...about, decision_digest: intent.digest })).toMatchObject({ ok: false, code: 'chain_broken' })
    expect(await say({ ...about, verdict: 'maybe' })).toMatchObject({ ok: false, code: 'malformed' })
    expect(await say({ ...about, exp: nowSeconds() + 90_000 })).toMatchObject({ ok: false, code: 'lifetime_too_long' })
    expect(await say(about)).toMatchObject({ ok: true })
    const taken = await gateway.take()
    expect(taken.plan.claims['approvals']).toHaveLength(1)
    expect(await gateway.redeem(await gateway.redeemOf(taken, 's0'))).toEqual({ use: 1 })
    await gateway.outcome(taken, { step_id: 's0', device_id: 'ext-people' }, 'succeeded', { result: {} })
    await untilState(intent.id, 'succeeded')
    await taken.message.ackAck()
  })

  test('does not approve what is done for the same person', async () => {
    const own = { keys: [approver.key.jwk], user: 'u-ext', roles: ['shift-lead'] }
    expect((await command({ kind: 'approver', id: 'ext-pat', version: 2, record: own })).result).toMatchObject({
      ok: true,
    })
    const intent = await ask({ targets: ['ext-people'] })
    await untilState(intent.id, 'needs_approval')
    const [listed = ''] = (await queried(approver, 'pending'))['items'] as string[]
    const decision = listed === '' ? intent.digest : digest(String(open(listed).claims['decision']))
    const answer = await say({ intent_digest: intent.digest, decision_digest: decision, verdict: 'approve' })
    expect(answer).toMatchObject({ ok: false, code: 'self_approval' })
    const iat = nowSeconds()
    const cancel = {
      iss: 'ext-agent',
      aud: agent.aud,
      iat,
      exp: iat + 60,
      jti: freshId(),
      intent_digest: intent.digest,
    }
    await publish(agent, await signed(agent.key, 'writ-cancel+jwt', cancel))
    await untilState(intent.id, 'cancelled')
  })
})

describe('an agent that sends a message again', () => {
  test('hears the current status again and moves nothing', async () => {
    const intent = await ask()
    const taken = await gateway.take()
    const [step] = stepsOf(taken)
    if (step === undefined) throw new Error('a plan has a step')
    await gateway.redeem(await gateway.redeemOf(taken, 's0'))
    await gateway.outcome(taken, step, 'succeeded', { result: {} })
    const status = await untilState(intent.id, 'succeeded')
    await taken.message.ackAck()
    const before = heardOf(intent.id).length
    await publish(agent, intent.body)
    await until('the status is said again', () => heardOf(intent.id).length > before)
    const { iat: _, ...again } = (await statusOf(intent.id)) ?? {}
    const { iat: __, ...said } = status
    expect({ ...again, n: 0 }).toEqual({ ...said, n: 0 })
    expect(await gateway.pull(1000)).toBeUndefined()
  })

  test('is told replayed when another message names the same id', async () => {
    const first = await ask({ targets: ['no-such-device'] })
    await untilState(first.id, 'denied')
    const second = await ask({ jti: first.id })
    const status = await untilState(`rejected-${second.digest.slice(0, 16)}`, 'denied')
    expect([codesOf(status), status['intent_digest']]).toEqual([['replayed'], second.digest])
    expect((await statusOf(first.id))?.['intent_digest']).toBe(first.digest)
  })

  test('may not have more unfinished intents than its record says, until one has ended', async () => {
    const [one] = [await ask({}, busy), await ask({}, busy)]
    const plans = [await gateway.take(), await gateway.take()]
    const third = await ask({}, busy)
    const refused = await untilState(`rejected-${third.digest.slice(0, 16)}`, 'denied', busy)
    expect(codesOf(refused)).toEqual(['rate_limited'])
    const iat = nowSeconds()
    const cancel = { iss: 'ext-busy', aud: busy.aud, iat, exp: iat + 60, jti: freshId(), intent_digest: one.digest }
    await publish(busy, await signed(busy.key, 'writ-cancel+jwt', cancel))
    await untilState(one.id, 'cancelled', busy)
    const cancelled = plans.find(({ intent }) => intent.digest === one.digest)
    if (cancelled === undefined) throw new Error('both plans came')
    expect(await gateway.redeem(await gateway.redeemOf(cancelled, 's0'))).toEqual({ code: 'cancelled' })
    const fourth = await ask({}, busy)
    await untilState(fourth.id, 'executing', busy)
    plans.push(await gateway.take())
    for (const { message } of plans) await message.ackAck()
  })
})

describe('an operator who uses a NATS client', () => {
  test('files records, each version once, and no record beyond what is registered or permitted', async () => {
    expect((await device('ext-lone', {})).result).toMatchObject({ ok: true, version: 1 })
    expect((await device('ext-hall', { gateway_id: 'gw-ext', group: 'hall' })).result).toMatchObject({ ok: true })
    const blind = await device('ext-blind', { gateway_id: 'gw-ext', actions: ['telemetry-read', 'restart'] })
    expect(blind.result).toMatchObject({ ok: true, version: 1 })
    expect(await send(blind.body, operator)).toMatchObject({ ok: true, version: 1 })
    expect((await device('ext-blind', {})).result).toMatchObject({ ok: false, code: 'wrong_version' })
    expect((await device('ext-x', { gateway_id: 'gw-none' })).result).toMatchObject({ ok: false, code: 'chain_broken' })
    expect((await device('ext-x', { admin: true })).result).toMatchObject({ ok: false, code: 'malformed' })
    const mallory = { kind: 'operator', id: 'mallory', record: { keys: [(await makeKey()).jwk], user: 'u-mallory' } }
    expect((await command(mallory)).result).toMatchObject({ ok: false, code: 'wrong_role' })
    const twin = { users: ['u-ext'], actions: [], groups: [], keys: [agent.key.jwk] }
    const twice = await command({ kind: 'agent', id: 'twin', record: twin })
    expect(twice.result).toMatchObject({ ok: false, code: 'replayed' })
  })

  test('gives an agent another key, takes the old one, bounds it, and takes the agent away', async () => {
    const [old, young] = [await makeKey('ES256'), await makeKey('EdDSA')]
    const options = ['--users', 'u-ext', '--actions', 'telemetry-read', '--groups', 'ext']
    await using turn = await enrolled('agent', 'ext-turn', old, ...options)
    const file = async (version: number, record: Claims | null) => {
      const whole = record && { users: ['u-ext'], actions: ['telemetry-read'], groups: ['ext'], ...record }
      const { result } = await command({ kind: 'agent', id: 'ext-turn', version, record: whole })
      expect(result).toMatchObject({ ok: true, version })
    }
    /** What becomes of an intent that asks for no device there is: its code, if it was taken or refused. */
    const fate = async (key: OutsiderKey) => {
      const claims = intentClaims({ ...attacker, agentId: 'ext-turn', key }, { targets: ['no-such-device'] })
      const body = await signed(key, INTENT, claims)
      const before = await refusals()
      await publish(turn, body)
      return until('something becomes of it', async () => {
        const own = await statusOf(String(claims['jti']), turn)
        const rejected = await statusOf(`rejected-${digest(body).slice(0, 16)}`, turn)
        if (own ?? rejected) return codesOf(own ?? rejected).join()
        return (await refusals()) > before ? 'counted' : undefined
      })
    }
    const refusals = () => local.counter('intent-gateway', 'writ_messages_refused_total')
    await file(2, { keys: [old.jwk, young.jwk] })
    expect([await fate(old), await fate(young)]).toEqual(['unknown_device', 'unknown_device'])
    await file(3, { keys: [young.jwk] })
    expect([await fate(old), await fate(young)]).toEqual(['counted', 'unknown_device'])
    await file(4, { keys: [young.jwk], per_minute_max: 1 })
    expect(await fate(young)).toBe('rate_limited')
    await file(5, null)
    expect(await fate(young)).toBe('counted')
  })

  test('withdraws an agent with one message that no service handles, and every gateway says so', async () => {
    const applied = operator.listen(operator.at('applied', '*'))
    await operator.nc.flush()
    // Neither of these says anything: one will vanish, the other does not know what came before it.
    await control({ command: 'revoke', scope: 'all' }, { ttl: '60s' })
    await control({ command: 'revoke', scope: 'all' }, { prev: 0 })
    const revoked = await control({ command: 'revoke', scope: 'agent', id: 'ext-agent', quarantine: true })
    await gateway.applied()
    await until('every gateway has applied it', async () => {
      const seen = new Set<string>()
      for (const { subject, data } of applied) {
        const id = subject.split('.').at(-1) ?? ''
        const { claims } = await operator.fromParty(Buffer.from(data).toString(), 'gateway', id, 'writ-applied+jwt')
        if ((claims['rev'] as { seq: number }).seq >= revoked) seen.add(id)
      }
      return ['gw-press-hall', 'gw-packaging', 'gw-ext'].every((id) => seen.has(id))
    })
    const { standing } = await operator.readControl()
    expect(standing.map(({ claims }) => [claims['scope'], claims['id']])).toEqual([['agent', 'ext-agent']])
    const refused = await ask()
    expect(codesOf(await untilState(refused.id, 'denied'))).toEqual(['quarantined'])
    await expect(
      operator.js.publish(operator.at('control', 'olga'), 'x', {
        expect: { lastSubjectSequence: revoked - 1, lastSubjectSequenceSubject: operator.at('control', '*') },
      }),
    ).rejects.toMatchObject({ code: 10071 })
    await control({ command: 'lift', lifts: revoked })
    const again = await ask()
    await untilState(again.id, 'executing')
    const taken = await gateway.take()
    expect(taken.intent.digest).toBe(again.digest)
    await taken.message.ackAck()
    // What was stored last vanishes: nothing that stands or moves depends on it.
    await control({ command: 'revoke', scope: 'all' }, { ttl: '1s' })
    const { last } = await operator.readControl()
    await until('it has vanished', async () => (await operator.readControl()).last < last)
    await untilState((await ask()).id, 'executing')
    await (await gateway.take()).message.ackAck()
  })
})
