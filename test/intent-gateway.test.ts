import { verifyPlan } from '@writ/authority'
import { closeRpc, decideRpc, intentMessage, issueRpc, outcomeMessage, reportMessage } from '@writ/contracts'
import { digestOf, openMessage, signMessage } from '@writ/keys'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { approvalKey, decisionKey, stateKey } from '../services/intent-gateway/src/core/intent-record.ts'
import { at, BrokerStage, until } from './support/broker-stage.ts'
import { nowSeconds } from './support/world.ts'

let stage: BrokerStage

beforeAll(async () => {
  stage = await BrokerStage.open()
  await stage.start()
  await stage.fileAll()
})
afterEach(() => stage.reset())
afterAll(() => stage?.[Symbol.asyncDispose]())

const jtiOf = (intent: string) => openMessage(intentMessage, intent).claims.jti
const rejected = (message: string) => `rejected-${digestOf(message).slice(0, 16)}`

describe('one intent', () => {
  test('goes from accepted to succeeded, with a status for each step of the way', async () => {
    stage.succeed()
    const seen: [number, string][] = []
    const agent = await stage.bus('agent', 'a1')
    const intent = await stage.intent({ targets: ['d1', 'd3'] })
    await agent.subscribe(at.status('a1', jtiOf(intent)), ({ data }) => {
      const { n, state } = JSON.parse(
        Buffer.from(Buffer.from(data).toString().split('.')[1] ?? '', 'base64url').toString(),
      )
      seen.push([n, state])
    })
    await stage.send(intent)
    const status = await stage.reaches(jtiOf(intent), 'succeeded')
    expect(status.steps.map(({ step_id, gateway_id, state }) => [step_id, gateway_id, state])).toEqual([
      ['s0', 'g1', 'succeeded'],
      ['s1', 'g2', 'succeeded'],
    ])
    expect(seen.map(([, state]) => state).slice(0, 3)).toEqual(['accepted', 'approved', 'executing'])
    expect(seen.map(([n]) => n)).toEqual(seen.map((_, index) => index + 1))
    const stored = await agent.last('STATUS', at.status('a1', jtiOf(intent), 's1'))
    const outcome = openMessage(outcomeMessage, stored?.data ?? '')
    expect([outcome.claims.state, outcome.jws.digest]).toEqual(['succeeded', status.steps[1]?.outcome_digest])
  })

  test('its plans verify whole at their gateways', async () => {
    const intent = await stage.intent({ targets: ['d2', 'd3', 'd1'] })
    await stage.send(intent)
    const { plans } = await stage.reaches(jtiOf(intent), 'executing')
    await until(() => stage.plansOf(intent).length === 2)
    const authority = await stage.read()
    for (const { plan, compact, digest } of stage.plans.filter((sent) => sent.plan.intent === intent)) {
      const gateway = { id: plan.gateway_id, kid: stage.signer('gateway', plan.gateway_id).kid }
      const verified = verifyPlan(authority, compact, gateway, nowSeconds())
      expect(verified.plan.claims.steps.length).toBe(plan.gateway_id === 'g1' ? 2 : 1)
      expect(plans?.find(({ gateway_id }) => gateway_id === plan.gateway_id)?.plan_digest).toBe(digest)
    }
  })
})

describe('refused at intake', () => {
  const tampered = async () => {
    const [header, payload, signature] = (await stage.intent()).split('.') as [string, string, string]
    return `${header}.${payload}.${signature.slice(0, -2)}${signature.endsWith('AA') ? 'BB' : 'AA'}`
  }

  test.each<[string, object]>([
    ['malformed', { targets: [] }],
    ['expired', { iat: nowSeconds() - 100, exp: nowSeconds() - 40 }],
    ['not_yet_valid', { iat: nowSeconds() + 600, exp: nowSeconds() + 700 }],
    ['lifetime_too_long', { exp: nowSeconds() + 3600 }],
    ['wrong_audience', { aud: 'writ:elsewhere' }],
    ['unavailable', { delivery: 'agent' }],
  ])('%s, before its jti is used up: status under rejected-', async (code, changes) => {
    // What does not fit the schema is signed all the same: the refusal is the agent's to see.
    const message = await stage.signAnything('writ-intent+jwt', { ...(await stage.intentClaims()), ...changes })
    await stage.send(message)
    await until(async () => (await stage.status(rejected(message))) !== undefined)
    const status = await stage.status(rejected(message))
    expect([status?.state, status?.reasons[0]?.code]).toEqual(['denied', code])
    await until(async () =>
      (await stage.events()).some(
        ({ type, intent_digest }) => type === 'intent.refused' && intent_digest === digestOf(message),
      ),
    )
  })

  test.each<[string, object]>([
    ['wrong_user', { on_behalf_of: 'somebody' }],
    ['unknown_device', { targets: ['d1', 'nowhere'] }],
    ['scope_exceeded', { action: 'firmware-update' }],
  ])('%s, after its jti is its own: status under its id', async (code, changes) => {
    const message = await stage.intent(changes)
    await stage.send(message)
    const status = await stage.reaches(jtiOf(message), 'denied')
    expect(status.reasons[0]?.code).toBe(code)
    expect(stage.callsOf(decideRpc, message)).toBe(0)
  })

  test('a message of another type, and one of another agent, tell their sender why', async () => {
    const other = await stage.signAnything('writ-outcome+jwt', await stage.intentClaims())
    const foreign = await stage.signAnything('writ-intent+jwt', { ...(await stage.intentClaims()), iss: 'a2' })
    await stage.send(other)
    await stage.send(foreign)
    await until(async () => (await stage.status(rejected(foreign))) !== undefined)
    expect((await stage.status(rejected(other)))?.reasons[0]?.code).toBe('unsupported_type')
    expect((await stage.status(rejected(foreign)))?.reasons[0]?.code).toBe('wrong_subject')
  })

  test('what no key of the agent has signed has no status and is only counted', async () => {
    const forged = await tampered()
    const stranger = await stage.intent({}, stage.signer('agent', 'stranger'))
    for (const body of [forged, stranger, 'garbage', '..', '\u0000\u0001']) await stage.send(body)
    await until(async () => {
      const counted = (await stage.events()).filter(
        ({ type, detail }) => type === 'messages.refused' && detail?.['id'] === 'a1',
      )
      const codes = new Set(counted.flatMap(({ reasons }) => reasons ?? []))
      return ['bad_signature', 'unknown_key', 'malformed'].every((code) => codes.has(code as never))
    })
    for (const body of [forged, stranger]) expect(await stage.status(rejected(body))).toBeUndefined()
    expect(JSON.stringify(await stage.events()).includes('garbage')).toBe(false)
  })

  test('an agent that is not registered is counted too', async () => {
    await stage.send(await stage.intent({ iss: 'a9' }), 'a9')
    await until(async () =>
      (await stage.events()).some(({ type, detail }) => type === 'messages.refused' && detail?.['id'] === 'a9'),
    )
  })

  test('more unfinished intents than the record allows are rate_limited', async () => {
    await stage.file('agent', 'a3', {
      keys: [stage.signer('agent', 'a3').jwk],
      users: ['u1'],
      actions: ['restart'],
      groups: ['hall'],
      unfinished_max: 2,
    })
    stage.decide = () => undefined
    const intents = await Promise.all([1, 2, 3].map(() => stage.intent({ iss: 'a3' })))
    for (const intent of intents) await stage.send(intent, 'a3')
    const last = intents[2] as string
    await until(async () => (await stage.status(rejected(last), 'a3')) !== undefined)
    expect((await stage.status(rejected(last), 'a3'))?.reasons[0]?.code).toBe('rate_limited')
  })

  test('what a standing revoke names is revoked, or quarantined where it says so, and taken again when lifted', async () => {
    const seq = await stage.control({ command: 'revoke', scope: 'device', id: 'd2', quarantine: true })
    await until(async () => {
      const intent = await stage.intent({ targets: ['d2'] })
      await stage.send(intent)
      const status = await stage.reaches(jtiOf(intent), 'denied', 'revoked', 'executing')
      return status.state === 'denied' && status.reasons[0]?.code === 'quarantined'
    })
    await stage.control({ command: 'lift', lifts: seq })
    await until(async () => {
      const intent = await stage.intent({ targets: ['d2'] })
      await stage.send(intent)
      return (await stage.reaches(jtiOf(intent), 'denied', 'executing')).state === 'executing'
    })
  })
})

describe('G12: at most one effect', () => {
  test('the same intent again, also when it is over and past its time, has its status said anew and nothing else', async () => {
    stage.succeed()
    const intent = await stage.intent({ exp: nowSeconds() + 3 })
    await stage.send(intent)
    const first = await stage.reaches(jtiOf(intent), 'succeeded')
    await until(() => nowSeconds() > openMessage(intentMessage, intent).claims.exp)
    const before = await stage.statusSeq(jtiOf(intent))
    await stage.send(intent)
    await until(async () => (await stage.statusSeq(jtiOf(intent))) > before)
    const again = await stage.status(jtiOf(intent))
    expect([again?.n, again?.state]).toEqual([first.n, 'succeeded'])
    expect([stage.callsOf(decideRpc, intent), stage.callsOf(issueRpc, intent), stage.plansOf(intent).length]).toEqual([
      1, 1, 1,
    ])
  })

  test('another message under a used jti is replayed, while the first runs and when it is over', async () => {
    stage.succeed()
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'succeeded')
    const other = await stage.intent({ jti: jtiOf(intent), targets: ['d2'] })
    await stage.send(other)
    await until(async () => (await stage.status(rejected(other))) !== undefined)
    expect((await stage.status(rejected(other)))?.reasons[0]?.code).toBe('replayed')
    expect((await stage.status(jtiOf(intent)))?.state).toBe('succeeded')
    expect(stage.plansOf(other)).toEqual([])
  })

  test('outcomes again, and other outcomes of a step that ended, change nothing', async () => {
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    const failed = await stage.outcome(plan, { state: 'failed', reason: { code: 'action_failed', message: 'x' } })
    await stage.report('g1', failed)
    const { n } = await stage.reaches(jtiOf(intent), 'failed')
    await stage.report('g1', failed)
    await stage.report('g1', await stage.outcome(plan, { state: 'succeeded' }))
    await until(async () => (await stage.events()).some(({ detail }) => detail?.['late'] === true))
    const status = await stage.status(jtiOf(intent))
    expect([status?.n, status?.state, status?.steps[0]?.outcome_digest]).toEqual([n, 'failed', digestOf(failed)])
  })

  test('what another replica decided, and nobody took down, is forgotten with the intent', async () => {
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    const bucket = (await stage.bus('intent-gateway', 'another')).bucket('intents')
    const [first, second] = [1, 2].map((n) => decisionKey(stateKey('a1', jtiOf(intent)), n)) as [string, string]
    await bucket.put(second, (await bucket.get(first))?.value ?? '')
    await stage.report('g1', await stage.outcome(plan, { state: 'succeeded' }))
    await stage.reaches(jtiOf(intent), 'succeeded')
    for (const key of [first, second])
      await expect.poll(async () => Buffer.from((await bucket.get(key))?.value ?? '').toString()).toBe('-')
  })

  test('two replicas share the work: each intent has one token and one plan for each gateway', async () => {
    const second = await stage.start('ig2')
    try {
      stage.succeed()
      const intents = await Promise.all(Array.from({ length: 40 }, () => stage.intent({ targets: ['d1', 'd3'] })))
      await Promise.all(intents.map((intent) => stage.send(intent)))
      for (const intent of intents) {
        const { n } = await stage.reaches(jtiOf(intent), 'succeeded')
        // Accepted, approved, and of each gateway: sent, begun, ended. What is counted together is one.
        expect(n).toBeLessThanOrEqual(8)
        expect(
          stage
            .plansOf(intent)
            .map(({ gateway_id }) => gateway_id)
            .sort(),
        ).toEqual(['g1', 'g2'])
        expect(stage.callsOf(decideRpc, intent)).toBe(1)
      }
      const sources = new Set(
        (await stage.audit())
          .filter(({ events }) => events.some(({ type }) => type === 'plan.dispatched'))
          .map(({ source }) => source.split('/')[1]),
      )
      expect([...sources].sort()).toEqual(['ig0', 'ig2'])
    } finally {
      await second[Symbol.asyncDispose]()
    }
  })

  test('an outcome by another gateway, or about a step that is not its own, counts for nothing', async () => {
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    const forged = { ...plan, gateway_id: 'g2' }
    await stage.report('g2', await stage.outcome(forged))
    await stage.report('g1', await stage.outcome(plan, { step_id: 's7' }))
    await stage.report('g1', await stage.outcome(plan, { device_id: 'd2' }))
    await until(async () => {
      const codes = (await stage.events())
        .filter(({ type, detail }) => type === 'messages.refused' && ['g1', 'g2'].includes(String(detail?.['id'])))
        .flatMap(({ reasons }) => reasons ?? [])
      return codes.includes('wrong_gateway') && codes.includes('chain_broken')
    })
    expect((await stage.status(jtiOf(intent)))?.steps[0]?.state).toBe('waiting')
  })
})

describe('decisions', () => {
  test('a denial ends it with the reasons of policy', async () => {
    const reasons = [{ code: 'params_out_of_bounds' as const, message: 'Too hot.' }]
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, { outcome: 'deny', reasons }),
      reports: [],
    })
    const intent = await stage.intent()
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'denied')).reasons).toEqual(reasons)
    expect(stage.callsOf(issueRpc, intent)).toBe(0)
  })

  test('where the two deciders differ it is decided again, and the later decision names the first', async () => {
    let refusals = 0
    stage.issue = async (request) =>
      refusals++ === 0
        ? { ok: false, code: 'unavailable', message: 'The active policy has just changed.', again: true }
        : { ok: true, token: await stage.tokenOf(request) }
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    const decision = openMessage((await import('@writ/contracts')).decisionMessage, plan?.decision ?? '').claims
    expect(plan?.earlier.map(digestOf)).toEqual([decision.first])
  })

  test('the reports that it names go to token-issuer and into the log, many and large ones too', async () => {
    const state = { text: 'x'.repeat(9000) }
    const reports = await Promise.all(
      Array.from({ length: 9 }, (_, n) =>
        signMessage(stage.signer('gateway', 'g1'), reportMessage, {
          iss: 'g1',
          aud: 'writ:eusc-de-east-1',
          iat: nowSeconds(),
          device_id: 'd1',
          state: { ...state, n },
          observed_at: nowSeconds(),
          address: '10.0.0.1',
        }),
      ),
    )
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, { reports: reports.map(digestOf) }),
      reports,
    })
    const asked: readonly string[][] = []
    stage.issue = async (request) => {
      ;(asked as string[][]).push(request.reports)
      // The first answer is lost: the second question is made from what the bucket holds.
      return asked.length === 1 ? undefined : { ok: true, token: await stage.tokenOf(request) }
    }
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    expect(asked.every((sent) => sent.join() === reports.join())).toBe(true)
    const documents = (await stage.events()).flatMap(({ documents: some }) => some ?? [])
    for (const report of reports) expect(documents.find(({ digest }) => digest === digestOf(report))?.jwe).toBeDefined()
  })

  test('a decided no of token-issuer ends it, and nothing goes out', async () => {
    stage.issue = () => ({ ok: false, code: 'revoked', message: 'An operator has revoked it.' })
    const intent = await stage.intent()
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'revoked')).reasons[0]?.code).toBe('revoked')
    expect(stage.plansOf(intent)).toEqual([])
  })

  test('while policy-evaluator is away it waits, and ends expired at its own end', async () => {
    stage.decide = () => ({ ok: false, code: 'unavailable', message: 'No policy is active.' })
    const intent = await stage.intent({ exp: nowSeconds() + 2 })
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'expired')).reasons[0]?.code).toBe('expired')
  })
})

describe('approvals', () => {
  const obligations = {
    ttl_s: 300,
    max_uses: 1,
    max_run_s: 900,
    stop_on_failure: false,
    approvals: { count: 2, roles: ['manager'], expires_s: 600 },
  }
  const needsTwo = () => {
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, {
        obligations,
        ...(request.approvals.length < 2 && { outcome: 'needs_approval', exp: nowSeconds() + 600 }),
      }),
      reports: [],
    })
  }
  const waiting = async () => {
    needsTwo()
    const pending = new Promise<string>((resolve) => {
      void stage
        .bus('approver', 'p1')
        .then((bus) => bus.subscribe(at.pending('p1'), ({ data }) => resolve(Buffer.from(data).toString())))
    })
    await stage.bus('approver', 'p1').then((bus) => bus.last('SIGNERS', at.registry('key', 'x')).catch(() => undefined))
    const intent = await stage.intent()
    await stage.send(intent)
    const status = await stage.reaches(jtiOf(intent), 'needs_approval')
    expect(status.approval).toMatchObject({ needed: 2, given: 0, roles: ['manager'] })
    return { intent, request: await pending }
  }

  test('two users approve what was shown to them, and the plan carries their words', async () => {
    const { intent, request } = await waiting()
    const first = await stage.approve('p1', request)
    expect(await stage.sendApproval('p1', first)).toMatchObject({ ok: true, request: digestOf(first) })
    expect((await stage.reaches(jtiOf(intent), 'needs_approval')).approval?.given).toBe(1)
    expect(await stage.sendApproval('p1', first)).toMatchObject({ ok: true })
    expect(await stage.sendApproval('p2', await stage.approve('p2', request))).toMatchObject({ ok: true })
    await stage.reaches(jtiOf(intent), 'executing')
    const sent = stage.plans.find(({ plan }) => plan.intent === intent)
    const gateway = { id: 'g1', kid: stage.signer('gateway', 'g1').kid }
    const { chain } = verifyPlan(await stage.read(), sent?.compact ?? '', gateway, nowSeconds())
    expect(chain.approvals.map(({ approver }) => approver.record.user).sort()).toEqual(['boss1', 'boss2'])
  })

  test('an approval whose taker died between its text and the record counts when it is sent again', async () => {
    const { intent, request } = await waiting()
    const first = await stage.approve('p1', request)
    const dead = await stage.bus('intent-gateway', 'dead')
    await dead.bucket('intents').put(approvalKey(stateKey('a1', jtiOf(intent)), 'p1'), first)
    expect(await stage.sendApproval('p1', first)).toMatchObject({ ok: true })
    await expect.poll(async () => (await stage.reaches(jtiOf(intent), 'needs_approval')).approval?.given).toBe(1)
    expect(await stage.sendApproval('p2', await stage.approve('p2', request))).toMatchObject({ ok: true })
    await stage.reaches(jtiOf(intent), 'executing')
  })

  test('one reject ends it', async () => {
    const { intent, request } = await waiting()
    expect(await stage.sendApproval('p1', await stage.approve('p1', request, { verdict: 'reject' }))).toMatchObject({
      ok: true,
    })
    expect((await stage.reaches(jtiOf(intent), 'denied')).reasons[0]?.code).toBe('approval_rejected')
  })

  test('an approver lists what waits for him', async () => {
    const { intent } = await waiting()
    const { items } = await stage.answer('approver', 'p2', { what: 'pending', args: {} })
    expect(
      items.some(
        (item) =>
          item.includes(intent) ||
          Buffer.from(item.split('.')[1] ?? '', 'base64url')
            .toString()
            .includes(intent),
      ),
    ).toBe(true)
  })

  test('nobody comes in time: expired', async () => {
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, { obligations, outcome: 'needs_approval', exp: nowSeconds() + 2 }),
      reports: [],
    })
    const intent = await stage.intent()
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'expired')).reasons[0]?.code).toBe('approval_expired')
  })

  test('what waits is revoked with what it touches', async () => {
    const { intent } = await waiting()
    const seq = await stage.control({ command: 'revoke', scope: 'intent', id: digestOf(intent) })
    expect((await stage.reaches(jtiOf(intent), 'revoked')).reasons[0]?.code).toBe('revoked')
    await stage.control({ command: 'lift', lifts: seq })
  })
})

describe('attestation', () => {
  test('goes on by itself when a result is stored', async () => {
    const demand = { profile: 'p', max_age_s: 300, expires_s: 600 }
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, {
        obligations: { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false, attestation: demand },
        ...(request.attestations.length === 0 && { outcome: 'needs_attestation', exp: nowSeconds() + 600 }),
      }),
      reports: [],
    })
    const intent = await stage.intent()
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'needs_attestation')).attestation).toMatchObject({
      profile: 'p',
      max_age_s: 300,
    })
    await stage.attest('a1', 'p')
    await stage.reaches(jtiOf(intent), 'executing')
    expect(stage.plansOf(intent)[0]?.attestations.length).toBe(1)
    const next = await stage.intent()
    await stage.send(next)
    await stage.reaches(jtiOf(next), 'executing')
  })
})

describe('withdrawing', () => {
  test('a cancel before a plan is out ends it at once', async () => {
    stage.decide = () => undefined
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'accepted')
    await stage.send(await stage.cancel(intent))
    await stage.reaches(jtiOf(intent), 'cancelled')
    expect(stage.callsOf(closeRpc, intent)).toBe(0)
  })

  test('a cancel of a plan that is out is token-issuer’s to judge, on the exact cancel', async () => {
    const intent = await stage.intent({ targets: ['d1', 'd3'] })
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const cancel = await stage.cancel(intent)
    stage.close = (request) =>
      request.cancel === cancel
        ? { ok: true, plans: [...stage.closedOf(intent, ['g1'], 1), ...stage.closedOf(intent, ['g2'], 0)] }
        : { ok: false, code: 'bad_signature', message: 'no' }
    await stage.send(cancel)
    await until(async () => (await stage.status(jtiOf(intent)))?.steps[1]?.state === 'cancelled')
    expect((await stage.status(jtiOf(intent)))?.state).toBe('executing')
    const plan = stage.plansOf(intent).find(({ gateway_id }) => gateway_id === 'g1')
    if (plan === undefined) throw new Error('no plan')
    await stage.report('g1', await stage.outcome(plan))
    await stage.reaches(jtiOf(intent), 'partial')
  })

  test('a cancel of nothing is refused', async () => {
    const cancel = await stage.cancel(await stage.intent())
    await stage.send(cancel)
    await until(async () => (await stage.status(rejected(cancel))) !== undefined)
    expect((await stage.status(rejected(cancel)))?.reasons[0]?.code).toBe('chain_broken')
  })

  test('at the end of a plan a redeemed step is unknown until its gateway says how it ended', async () => {
    stage.issue = async (request) => ({ ok: true, token: await stage.tokenOf(request, { exp: nowSeconds() + 2 }) })
    stage.close = ({ intent, gateways }) => ({ ok: true, plans: stage.closedOf(intent, gateways, 1) })
    const intent = await stage.intent()
    await stage.send(intent)
    const { n } = await stage.reaches(jtiOf(intent), 'unknown')
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    await stage.report('g1', await stage.outcome(plan))
    expect((await stage.reaches(jtiOf(intent), 'succeeded')).n).toBe(n + 1)
  })

  test('at the end of a plan a step that was not redeemed is expired', async () => {
    stage.issue = async (request) => ({ ok: true, token: await stage.tokenOf(request, { exp: nowSeconds() + 2 }) })
    const intent = await stage.intent()
    await stage.send(intent)
    expect((await stage.reaches(jtiOf(intent), 'expired')).steps[0]?.state).toBe('expired')
  })

  test('a revoke has token-issuer close the plans that it names, and no others', async () => {
    const intent = await stage.intent({ targets: ['d1', 'd3'] })
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const seq = await stage.control({ command: 'revoke', scope: 'device', id: 'd3' })
    await until(async () => (await stage.status(jtiOf(intent)))?.steps[1]?.state === 'revoked')
    expect((await stage.status(jtiOf(intent)))?.steps[0]?.state).toBe('waiting')
    await stage.control({ command: 'lift', lifts: seq })
  })
})

describe('control messages', () => {
  test('are recorded once each, valid and void, from the genesis on', async () => {
    await stage.voidControl()
    const seq = await stage.control({ command: 'revoke', scope: 'agent', id: 'nobody' })
    await until(async () => (await stage.events()).some(({ detail }) => detail?.['seq'] === seq))
    // A message whose acknowledgement was lost comes again, the same bytes: the log takes it once.
    const messages = (await stage.audit()).filter(({ source }) => source.startsWith('intent-gateway/ig0/'))
    const recorded = [...new Map(messages.map((message) => [`${message.source} ${message.seq}`, message])).values()]
      .flatMap(({ events }) => events)
      .filter(({ type }) => type.startsWith('control.'))
    const seqs = recorded.map(({ detail }) => Number(detail?.['seq']))
    expect(seqs).toEqual(Array.from({ length: seq }, (_, index) => index + 1))
    expect(recorded.map(({ type }) => type).slice(-2)).toEqual(['control.void', 'control.applied'])
    expect(recorded[0]).toMatchObject({ detail: { command: 'genesis' }, documents: [{ typ: 'writ-control+jwt' }] })
  })
})

describe('a try that ended without effect', () => {
  test('lets the next one be claimed, and is not the end', async () => {
    const obligations = { ttl_s: 300, max_uses: 2, max_run_s: 900, stop_on_failure: false }
    stage.decide = async (request) => ({
      ok: true,
      decision: await stage.decisionOf(request, { obligations }),
      reports: [],
    })
    const told: string[] = []
    stage.ended = ({ outcome }) => {
      told.push(outcome)
      return { ok: true }
    }
    const intent = await stage.intent()
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    if (plan === undefined) throw new Error('no plan')
    const late = await stage.outcome(plan, {
      state: 'refused',
      reason: { code: 'too_late', message: 'x' },
      use_id: `${plan.plan_id}/s0/1`,
    })
    await stage.report('g1', late)
    await until(() => told.includes(late))
    expect((await stage.status(jtiOf(intent)))?.state).toBe('executing')
    await stage.report('g1', await stage.outcome(plan))
    await stage.reaches(jtiOf(intent), 'succeeded')
  })
})

describe('G4: audit before effect', () => {
  test('the documents come before plan.dispatched in the same chain, sealed where they hold a person’s words', async () => {
    const intent = await stage.intent({ purpose: 'because-I-say-so' })
    await stage.send(intent)
    await stage.reaches(jtiOf(intent), 'executing')
    const [plan] = stage.plansOf(intent)
    const messages = await stage.audit()
    const events = messages.flatMap(({ source, events: all }) => all.map((event) => ({ source, ...event })))
    const dispatched = events.findIndex(({ type, plan_id }) => type === 'plan.dispatched' && plan_id === plan?.plan_id)
    const chain = events.slice(0, dispatched).filter(({ source }) => source === events[dispatched]?.source)
    const documents = new Map(
      chain.flatMap(({ documents: some }) => some ?? []).map((document) => [document.digest, document]),
    )
    const records = plan?.records.map((value) => digestOf(value.split('\n')[0] ?? '')) ?? []
    const decision = digestOf(plan?.decision ?? '')
    for (const digest of [digestOf(intent), decision, ...records]) expect(documents.has(digest)).toBe(true)
    expect(documents.get(decision)?.jws).toBe(plan?.decision)
    for (const digest of [digestOf(intent), ...records]) expect(documents.get(digest)?.jwe).toBeDefined()
    const text = JSON.stringify(messages)
    expect(
      ['because-I-say-so', '"u1"', Buffer.from('because-I-say-so').toString('base64url').slice(2, -2)].filter((name) =>
        text.includes(name),
      ),
    ).toEqual([])
  })

  test('no plan is on the bus while AUDIT refuses, and it goes out when AUDIT takes records again', async () => {
    const restore = await stage.fillAudit()
    const intent = await stage.intent()
    await stage.send(intent)
    await until(() => stage.callsOf(issueRpc, intent) > 0)
    // Longer than the record may take: what gave up waiting for it must not publish either.
    await expect(until(() => stage.plansOf(intent).length > 0, 7000)).rejects.toThrow('not within')
    expect((await stage.status(jtiOf(intent)))?.state).not.toBe('executing')
    // Withdrawing does not wait for audit.
    const other = await stage.intent()
    await stage.send(other)
    await stage.reaches(jtiOf(other), 'accepted', 'approved')
    await stage.send(await stage.cancel(other))
    await stage.reaches(jtiOf(other), 'cancelled')
    await restore()
    await stage.reaches(jtiOf(intent), 'executing')
    await until(() => stage.plansOf(intent).length > 0)
    expect(stage.plansOf(other)).toEqual([])
    const dispatched = (await stage.events()).filter(
      ({ type, intent_digest }) => type === 'plan.dispatched' && intent_digest === digestOf(intent),
    )
    expect(dispatched.map(({ detail }) => detail?.['plan_digest'])).toEqual(
      stage.plans.filter(({ plan }) => plan.intent === intent).map(({ digest }) => digest),
    )
  })
})

describe('queries', () => {
  test('an agent lists its own intents, page by page', async () => {
    const own = await stage.intent()
    await stage.send(own)
    await stage.reaches(jtiOf(own), 'executing')
    const ids: string[] = []
    for (let after: string | undefined; ; ) {
      const { items, next } = await stage.answer('agent', 'a1', {
        what: 'intents',
        args: { limit: 7, ...(after !== undefined && { after }) },
      })
      expect(items.length).toBeLessThanOrEqual(7)
      ids.push(...items.map((item) => stage.statusIn(item).intent_id))
      if (next === undefined) break
      after = next
    }
    expect(ids).toContain(jtiOf(own))
    expect(ids.length).toBeGreaterThan(7)
  })

  test('an operator lists records, intents and tokens; nobody asks for what is not his', async () => {
    const { items } = await stage.answer('operator', 'root', { what: 'registry', args: { kind: 'device' } })
    expect(items.length).toBe(3)
    const all = await stage.answer('operator', 'root', { what: 'registry', args: { limit: 4 } })
    const rest = await stage.answer('operator', 'root', {
      what: 'registry',
      args: { limit: 1000, after: all.next ?? '' },
    })
    expect([all.items.length, rest.next]).toEqual([4, undefined])
    expect(new Set([...all.items, ...rest.items]).size).toBe(all.items.length + rest.items.length)
    expect(
      (await stage.answer('operator', 'root', { what: 'registry', args: { kind: 'key' } })).items.length,
    ).toBeGreaterThan(2)
    expect(
      (await stage.answer('operator', 'root', { what: 'intents', args: { agent_id: 'a1', limit: 2 } })).items.length,
    ).toBe(2)
    expect((await stage.answer('operator', 'root', { what: 'tokens', args: {} })).items.length).toBe(stage.tokens.size)
    expect(await stage.refusal('agent', 'a1', { what: 'registry', args: {} })).toBe('wrong_role')
  })
})

describe('queries of what is revoked', () => {
  test.each([
    ['agent', 'a1', 'intents', () => ({ scope: 'key', id: stage.signer('agent', 'a1').kid })],
    ['agent', 'a1', 'intents', () => ({ scope: 'agent', id: 'a1', quarantine: true })],
    ['approver', 'p1', 'pending', () => ({ scope: 'key', id: stage.signer('approver', 'p1').kid })],
  ] as const)('a stolen or suspended %s’s is answered with the revoke’s code', async (kind, id, what, named) => {
    const revoke = named()
    const seq = await stage.control({ command: 'revoke', ...revoke })
    await until(async () => {
      const code = await stage.refusal(kind, id, { what, args: {} }).catch(() => 'answered')
      return code === ('quarantine' in revoke ? 'quarantined' : 'revoked')
    }, 3000)
    await stage.control({ command: 'lift', lifts: seq })
    await until(async () => (await stage.answer(kind, id, { what, args: {} }).catch(() => undefined)) !== undefined)
  })
})

describe('filing', () => {
  const agent = () => ({
    keys: [stage.signer('agent', `k${Math.random()}`).jwk],
    users: ['u'],
    actions: [],
    groups: [],
  })

  test('the same bytes again get the same answer, and other bytes under the jti are replayed', async () => {
    const command = await stage.command('agent', 'f1', agent())
    expect(await stage.sendCommand(command)).toMatchObject({ ok: true, version: 1, request: digestOf(command) })
    expect(await stage.sendCommand(command)).toMatchObject({ ok: true, version: 1 })
    const { jti } = JSON.parse(Buffer.from(command.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
    expect(await stage.sendCommand(await stage.command('agent', 'f2', agent(), { jti }))).toMatchObject({
      ok: false,
      code: 'replayed',
    })
    const wrong = await stage.command('agent', 'f1', agent())
    expect(await stage.sendCommand(wrong)).toMatchObject({ code: 'wrong_version' })
    expect(await stage.sendCommand(wrong)).toMatchObject({ code: 'wrong_version' })
  })

  test('every refusal is answered with its code', async () => {
    const device = { gateway_id: 'nowhere', group: 'hall', jurisdiction: 'eusc-de-east-1', actions: [] }
    expect(await stage.sendCommand(await stage.command('device', 'f3', device))).toMatchObject({ code: 'chain_broken' })
    expect(await stage.sendCommand('not a message')).toMatchObject({ ok: false, code: 'malformed' })
    const forged = await stage.command('agent', 'f4', agent(), {}, stage.signer('operator', 'stranger'))
    expect(await stage.sendCommand(forged)).toMatchObject({ ok: false, code: 'unknown_key' })
  })

  test('of two replicas that file one version at once, one wins and the other says so', async () => {
    const second = await stage.start('ig1')
    try {
      for (let round = 0; round < 8; round++) {
        const id = `r${round}`
        const commands = await Promise.all(Array.from({ length: 6 }, () => stage.command('agent', id, agent())))
        const results = await Promise.all(commands.map((command) => stage.sendCommand(command)))
        expect(results.filter(({ ok }) => ok).length).toBe(1)
        expect(results.filter(({ ok }) => !ok).every(({ code }) => code === 'wrong_version')).toBe(true)
        expect(await stage.filedVersions('agent', id)).toBe(1)
      }
    } finally {
      await second[Symbol.asyncDispose]()
    }
  })

  test('what was filed is in the log with its public keys, and sealed with its text', async () => {
    const record = agent()
    expect(await stage.sendCommand(await stage.command('agent', 'f5', record))).toMatchObject({ ok: true })
    const event = (await stage.events()).find(({ type, detail }) => type === 'record.filed' && detail?.['id'] === 'f5')
    expect(event?.detail).toMatchObject({ kind: 'agent', id: 'f5', version: 1, keys: record.keys })
    expect(event?.documents?.every(({ jwe, jws }) => jwe !== undefined && jws === undefined)).toBe(true)
  })
})
