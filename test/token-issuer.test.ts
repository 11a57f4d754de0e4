import { cancelMessage, closeRpc, type Intent, issueRpc, listRpc, redeemMessage, type Token } from '@writ/contracts'
import { digestOf, signMessage } from '@writ/keys'
import { OBLIGATION_DEFAULTS } from '@writ/policy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DecidersStage, killed, type Running, readiness, until } from './support/deciders-stage.ts'
import { startRedis, type TestRedis } from './support/redis.ts'
import { AUDIENCE, freshId, nowSeconds } from './support/world.ts'

let stage: DecidersStage
let redis: TestRedis
let evaluator: Running
let issuers: Running[]
beforeAll(async () => {
  stage = await DecidersStage.open()
  redis = await startRedis()
  evaluator = await stage.evaluator('pe-1')
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})
let instances = 0
const issuer = (overrides = {}) => stage.issuer(`ti-${++instances}`, redis.url, overrides)
beforeEach(async () => {
  issuers = [await issuer()]
})
afterEach(async () => {
  for (const running of issuers.splice(0)) await running[Symbol.asyncDispose]()
})

type Held = { token: string; claims: Token; intent: string }
function redeemOf({ token, claims }: Held, changes: { step?: string; n?: number } = {}): Promise<string> {
  const iat = nowSeconds()
  return signMessage(stage.signerOf('g1'), redeemMessage, {
    iss: 'g1',
    aud: AUDIENCE,
    iat,
    exp: iat + 60,
    jti: freshId('r'),
    token_id: claims.jti,
    token_digest: digestOf(token),
    use_id: `${claims.plan_id}/${changes.step ?? 's0'}/${changes.n ?? 1}`,
  })
}
const cancelOf = (intent: string) =>
  signMessage(stage.signerOf('a1'), cancelMessage, {
    iss: 'a1',
    aud: AUDIENCE,
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    jti: freshId('x'),
    intent_digest: digestOf(intent),
  })
/** Returns when so many more ticks were acknowledged. */
async function moreTicks(healthUrl: string, count: number): Promise<void> {
  const ticks = async () => {
    const text = await (await fetch(`${healthUrl}/metrics`)).text()
    return Number(/^writ_tick_duration_seconds_count\S* (\d+)/m.exec(text)?.[1])
  }
  const before = await ticks()
  await until(`${count} more ticks`, async () => (await ticks()) >= before + count)
  expect((await readiness(healthUrl))?.ready).toBe(true)
}
const redemptions = async ({ claims }: Held) =>
  (await stage.audited('token.redeemed')).filter(({ token_id }) => token_id === claims.jti)

describe('G2: a token carries exactly what its plan needs', () => {
  test('this gateway’s scopes, its key, policy’s time; a device of another gateway is not in it', async () => {
    const held = await stage.token({ targets: ['d1', 'd3', 'd2'] })
    expect(held.claims).toMatchObject({
      sub: 'a1',
      aud: 'g1',
      scope: ['device:telemetry-read:d1', 'device:telemetry-read:d2'],
      cnf: { jkt: stage.signerOf('g1').kid },
      max_uses: 1,
    })
    expect(held.claims.exp - held.claims.iat).toBe(300)
    expect(await stage.redeemed(await redeemOf(held, { step: 's1' }))).toBe('scope_exceeded')
    expect(await stage.redeemed(await redeemOf(held, { step: 's2' }))).toBe('ok')
  })
})

describe('G3: no single service can forge authority', () => {
  test('an evaluator gone bad that signs allow where policy denies gets no token', async () => {
    await evaluator[Symbol.asyncDispose]()
    const allow = { outcome: 'allow' as const, reasons: [], obligations: OBLIGATION_DEFAULTS }
    const get = async (bundleSha256: string) => ({ bundleSha256, evaluate: () => allow })
    const bad = await stage.evaluator('pe-bad', { evaluators: { get } })
    const wishes: Partial<Intent>[] = [{ action: 'restart', targets: ['d2'] }, { action: 'config-change' }]
    for (const wish of wishes) {
      const { claims, request } = await stage.decided(await stage.intent(wish))
      expect(claims.outcome).toBe('allow')
      const reply = await stage.ask(issueRpc, { gateway_id: 'g1', ...request })
      expect(reply).toMatchObject({ ok: false, code: 'policy_denied', again: true })
    }
    await bad[Symbol.asyncDispose]()
    evaluator = await stage.evaluator('pe-1')
  })
})

describe('G4: recorded before it is answered', () => {
  test('no answer says yes that the audit stream does not hold', async () => {
    const held = await stage.token()
    const body = await redeemOf(held)
    const open = await stage.fill('AUDIT')
    try {
      expect(await stage.redeemed(body)).toBe('unavailable')
    } finally {
      await open()
    }
    await until('the same bytes complete it', async () => (await stage.redeemed(body)) === 'ok')
    const [event] = await redemptions(held)
    expect(event?.documents?.[0]?.jws).toBe(body)
  })

  test('kill -9 between claim and record: another replica completes it for the same bytes, and for nobody else', async () => {
    await issuers.pop()?.[Symbol.asyncDispose]()
    const child = await stage.issuerProcess(`ti-${++instances}`, redis.url)
    const held = await stage.token()
    const [body, other] = [await redeemOf(held), await redeemOf(held)]
    const open = await stage.fill('AUDIT')
    stage.redeemed(body).catch(() => 'no answer')
    const key = `$KV.uses.${held.claims.plan_id}.s0.1`
    await until('the use is claimed', async () => (await stage.stored('KV_uses', key)) !== undefined)
    await killed(child)
    await open()
    expect(await redemptions(held)).toEqual([])
    issuers = [await issuer()]
    expect(await stage.redeemed(other)).toBe('token_spent')
    expect(await stage.redeemed(body)).toBe('ok')
    expect(await redemptions(held)).toHaveLength(1)
  })
})

describe('G12: at most one effect', () => {
  test('of 100 redeems of one use at two replicas exactly one is told yes, and its bytes get it again', async () => {
    issuers.push(await issuer())
    const held = await stage.token()
    const bodies = await Promise.all(Array.from({ length: 100 }, () => redeemOf(held)))
    const answers = await Promise.all(bodies.map((body) => stage.redeemed(body)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'token_spent')).toHaveLength(99)
    const winner = bodies[answers.indexOf('ok')] ?? ''
    const again = await Promise.all(Array.from({ length: 8 }, () => stage.redeemed(winner)))
    expect(new Set(again)).toEqual(new Set(['ok']))
    const digests = (await redemptions(held)).map(({ documents }) => documents?.[0]?.digest)
    expect(new Set(digests)).toEqual(new Set([digestOf(winner)]))
  })

  test('two replicas mint one token for an intent and gateway', async () => {
    issuers.push(await issuer())
    const { request } = await stage.decided(await stage.intent())
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => stage.ask(issueRpc, { gateway_id: 'g1', ...request })),
    )
    expect(new Set(replies.map((reply) => (reply.ok ? reply.token : reply.code))).size).toBe(1)
    expect(replies[0]).toMatchObject({ ok: true })
  })

  test('a cancel and a redeem at once: whoever creates the use first wins, and both say so', async () => {
    issuers.push(await issuer())
    for (let n = 0; n < 10; n++) {
      const held = await stage.token()
      const [body, cancel] = [await redeemOf(held), await cancelOf(held.intent)]
      const [answer, closed] = await Promise.all([
        stage.redeemed(body),
        stage.ask(closeRpc, { intent: held.intent, gateways: ['g1'], why: 'cancelled', cancel }),
      ])
      const redeemed = answer === 'ok' ? 1 : 0
      expect(['ok', 'cancelled']).toContain(answer)
      expect(closed).toMatchObject({ ok: true, plans: [{ steps: [{ step_id: 's0', redeemed }] }] })
    }
  })

  test('an intent that is cancelled before it has a token gets none', async () => {
    const { request } = await stage.decided(await stage.intent())
    const cancel = await cancelOf(request.intent)
    await stage.ask(closeRpc, { intent: request.intent, gateways: ['g1'], why: 'cancelled', cancel })
    expect(await stage.ask(issueRpc, { gateway_id: 'g1', ...request })).toMatchObject({ ok: false, code: 'cancelled' })
  })
})

describe('G7: authority can be withdrawn', () => {
  test('a revoke that is recorded kills the token; a lift does not revive it', async () => {
    // A try before an issuer has heard of it spends its token: each has its own.
    const held = await Promise.all(Array.from({ length: 50 }, () => stage.token()))
    const last = held.pop() as (typeof held)[number]
    const lifts = await stage.control({ command: 'revoke', scope: 'device', id: 'd1' })
    await until('it is dead', async () => {
      const next = held.pop()
      return next === undefined || (await stage.redeemed(await redeemOf(next))) === 'revoked'
    })
    expect(await stage.redeemed(await redeemOf(last))).toBe('revoked')
    await stage.control({ command: 'lift', lifts })
    expect(await stage.redeemed(await redeemOf(last))).toBe('revoked')
    expect(await stage.redeemed(await redeemOf(await stage.token()))).toBe('ok')
  })

  test('an issuer whose ticks are not taken says no after 3 s, and yes again when they are', async () => {
    const held = await stage.token()
    const open = await stage.fill('CONTROL')
    try {
      await until('it is stale', async () => (await readiness(issuers[0]?.healthUrl ?? ''))?.ready === false, 4000)
      expect(await stage.redeemed(await redeemOf(held))).toBe('unavailable')
      const { request } = await stage.decided(await stage.intent())
      expect(await stage.ask(issueRpc, { gateway_id: 'g1', ...request })).toMatchObject({ code: 'unavailable' })
    } finally {
      await open()
    }
    await until('it is fresh', async () => (await stage.redeemed(await redeemOf(held))) === 'ok', 5000)
  })

  test('an issuer that nobody answers is stale within 3 s by its own clock, and recovers by itself', async () => {
    const [{ healthUrl }] = issuers as [Running]
    const held = await stage.token()
    stage.nats.pause()
    const pausedAt = performance.now()
    try {
      await until('it is stale', async () => (await readiness(healthUrl))?.checks['ticks'] !== 'ok', 5000)
      expect(performance.now() - pausedAt).toBeLessThan(4000)
    } finally {
      stage.nats.resume()
    }
    await until('it is fresh', async () => (await stage.redeemed(await redeemOf(held)).catch(() => '')) === 'ok')
  })

  test('two replicas tick side by side, and an operator’s message between them stops neither', async () => {
    issuers.push(await issuer())
    for (let n = 0; n < 3; n++) await stage.control({ command: 'lift', lifts: 1 })
    for (const { healthUrl } of issuers) await moreTicks(healthUrl, 4)
  })

  test('a control message with a TTL is void, and ticks go on when it has vanished', async () => {
    await stage.controlWithTtl(1)
    await until('it has vanished', async () => !(await stage.lastControl()).ttl, 5000)
    await moreTicks(issuers[0]?.healthUrl ?? '', 4)
    expect(await stage.redeemed(await redeemOf(await stage.token()))).toBe('ok')
  })
})

describe('Redis is a record beside the work', () => {
  const list = (more = {}) => stage.ask(listRpc, { limit: 1000, ...more })
  const listed = async (token: string) => {
    const reply = await list()
    return reply.ok && reply.items.includes(token)
  }

  test('lists tokens newest first, by agent, page by page', async () => {
    await until('it is filled', async () => (await list()).ok)
    const [first, second] = [await stage.token(), await stage.token()]
    await until('they are listed', async () => (await listed(first.token)) && (await listed(second.token)))
    const pages: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await list({ limit: 3, agent_id: 'a1', ...(after !== undefined && { after }) })
      if (!page.ok) throw new Error(page.code)
      pages.push(...page.items)
      if (page.next === undefined) break
      after = page.next
    }
    const all = await list()
    expect(all).toMatchObject({ ok: true, items: pages })
    expect(await list({ agent_id: 'nobody' })).toEqual({ ok: true, items: [] })
    expect(await list({ after: 'x' })).toMatchObject({ ok: false, code: 'malformed' })
  })

  test('lost: minting and redeeming go on, listing is unavailable; back and empty: filled from the bucket', async () => {
    const before = await stage.token()
    await redis.lose()
    const held = await stage.token()
    const body = await redeemOf(held)
    expect(await stage.redeemed(body)).toBe('ok')
    expect(await stage.redeemed(await redeemOf(held))).toBe('token_spent')
    expect(await list()).toMatchObject({ ok: false, code: 'unavailable' })
    await redis.start()
    await until('it is filled', async () => (await listed(before.token)) && (await listed(held.token)))
    await redis.run('FLUSHALL')
    await until('it is filled again', async () => (await listed(before.token)) && (await listed(held.token)))
    expect(await stage.redeemed(body)).toBe('ok')
    expect(await stage.redeemed(await redeemOf(held))).toBe('token_spent')
  })

  test('hanging: a redeem is not kept waiting', async () => {
    const held = await stage.token()
    redis.pause()
    try {
      const started = performance.now()
      expect(await stage.redeemed(await redeemOf(held))).toBe('ok')
      expect(performance.now() - started).toBeLessThan(1000)
      expect(await list()).toMatchObject({ ok: false, code: 'unavailable' })
    } finally {
      redis.resume()
    }
  })

  test('written by an attacker: it revives no token and grants no use', async () => {
    const held = await stage.token()
    const body = await redeemOf(held)
    expect(await stage.redeemed(body)).toBe('ok')
    const another = await redeemOf(held)
    const key = `writ:${AUDIENCE.slice(5)}:use:${held.claims.plan_id}.s0.1`
    await redis.run(`SET ${key} ${digestOf(another)}`)
    expect(await stage.redeemed(another)).toBe('token_spent')
    await redis.run(`DEL ${key}`)
    expect(await stage.redeemed(another)).toBe('token_spent')
  })
})
