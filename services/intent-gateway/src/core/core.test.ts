import { verifyPlan } from '@writ/authority'
import { type Command, commandMessage, type PublicJwk, planMessage, type Token, tokenMessage } from '@writ/contracts'
import { digestOf, ephemeralSigner, openMessage, signMessage, thumbprint } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import {
  AUDIENCE,
  createSmallPlant,
  freshId,
  intentOf,
  nowSeconds,
  planOf,
  REGION,
  type SmallPlant,
} from '../../../../test/support/world.ts'
import { checkFiling, verifyCommand } from './check-command.ts'
import { chunksAfter, toChunks } from './chunks.ts'
import { IntentIndex } from './intent-index.ts'
import { doneOf, isStateKey } from './intent-record.ts'
import { judgeIntent } from './judge-intent.ts'
import { checkLimits } from './limits.ts'
import { spread } from './paper-events.ts'
import { planClaims, planWouldFit } from './plan.ts'
import { digestIfSignedBy } from './signed-by.ts'
import { stateWouldFit } from './state-size.ts'
import { accepted, ended } from './transitions.ts'

const codeOf = (work: () => unknown): string | undefined => {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('a plan', () => {
  async function parts(plant: SmallPlant, devices = ['d1', 'd2']) {
    const made = await planOf(plant, { devices })
    const opened = openMessage(planMessage, made.plan).claims
    const { claims, jws } = openMessage((await import('@writ/contracts')).intentMessage, made.intent)
    const token = { compact: made.token, claims: openMessage(tokenMessage, made.token).claims as Token }
    const chain = { ...opened, intent: made.intent, claims, digest: jws.digest }
    const records = opened.records.map((value) => ({ value }))
    return { chain, token, records, id: opened.plan_id, steps: opened.steps }
  }

  test('is one that the gateway verifies, whole', async () => {
    const plant = await createSmallPlant()
    const { chain, token, records, id, steps } = await parts(plant)
    const claims = planClaims(AUDIENCE, nowSeconds(), chain, token, { id, gatewayId: 'g1', steps }, records)
    const signed = await signMessage(plant.world.services['intent-gateway'], planMessage, claims)
    const gateway = { id: 'g1', kid: plant.world.signerOf('gateway', 'g1').kid }
    expect(verifyPlan(plant.authority, signed, gateway, nowSeconds()).plan.claims.steps).toEqual(steps)
  })

  test('is not made around a token for other steps, another gateway or another intent', async () => {
    const plant = await createSmallPlant()
    const { chain, token, records, id, steps } = await parts(plant)
    const make = (changes: Partial<Token>, gatewayId = 'g1') =>
      codeOf(() =>
        planClaims(
          AUDIENCE,
          nowSeconds(),
          chain,
          { ...token, claims: { ...token.claims, ...changes } },
          { id, gatewayId, steps },
          records,
        ),
      )
    expect(make({})).toBeUndefined()
    expect(make({}, 'g2')).toBe('chain_broken')
    expect(make({ scope: ['device:restart:d1'] })).toBe('chain_broken')
    expect(make({ intent_digest: 'A'.repeat(43) })).toBe('chain_broken')
    expect(make({ sub: 'a2' })).toBe('chain_broken')
  })

  test('that would not fit is seen at intake', () => {
    expect(planWouldFit('x'.repeat(1000), 1, ['x'.repeat(1000)])).toBe(true)
    const steps = (idLength: number, gateways: number) =>
      Array.from({ length: 100 }, (_, index) => ({
        device_id: 'd'.repeat(idLength),
        gateway_id: `${index % gateways}`.padEnd(idLength, 'g'),
        group: 'g'.repeat(idLength),
      }))
    expect([stateWouldFit(steps(16, 100)), stateWouldFit(steps(64, 1)), stateWouldFit(steps(64, 100))]).toEqual([
      true,
      true,
      false,
    ])
    expect(planWouldFit('x'.repeat(32_000), 100, Array(102).fill('x'.repeat(1200)))).toBe(false)
  })
})

describe('who signed a message that is refused', () => {
  test('a key of the agent, whatever else is wrong with it', async () => {
    const signer = ephemeralSigner()
    const payload = Buffer.from('not json at all').toString('base64url')
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: signer.kid, typ: 'x', crit: [] })).toString(
      'base64url',
    )
    const signature = Buffer.from(await signer.sign(Buffer.from(`${header}.${payload}`))).toString('base64url')
    const body = Buffer.from(`${header}.${payload}.${signature}`)
    expect(digestIfSignedBy([signer.jwk], body, 32_768)).toBe(digestOf(body.toString()))
    expect(digestIfSignedBy([ephemeralSigner().jwk], body, 32_768)).toBeUndefined()
    expect(digestIfSignedBy([signer.jwk], body, 10)).toBeUndefined()
    expect(digestIfSignedBy([signer.jwk], Buffer.from(`${header}.${payload}x.${signature}`), 32_768)).toBeUndefined()
  })

  test.each(['', '.', '..', '...', 'a.b.c', '\u0000.\u0000.\u0000', `${'e30'}.e30.`])('nobody signed %j', (text) => {
    expect(digestIfSignedBy([ephemeralSigner().jwk], Buffer.from(text), 32_768)).toBeUndefined()
  })
})

describe('judging an intent', () => {
  const judge = async (plant: SmallPlant, changes: object) => {
    const compact = await intentOf(plant, changes)
    const { claims, jws } = openMessage((await import('@writ/contracts')).intentMessage, compact)
    const agent = plant.authority.trust.record('agent', 'a1')
    if (agent === undefined) throw new Error('no agent')
    return codeOf(() => judgeIntent(plant.authority, agent, claims, jws))
  }

  test('within the ceilings it passes; beyond them each row has its code', async () => {
    const plant = await createSmallPlant()
    expect(await judge(plant, { targets: ['d1', 'd3'] })).toBeUndefined()
    expect(await judge(plant, { on_behalf_of: 'somebody' })).toBe('wrong_user')
    expect(await judge(plant, { targets: ['d1', 'nowhere'] })).toBe('unknown_device')
    expect(await judge(plant, { action: 'firmware-update' })).toBe('scope_exceeded')
  })

  test.each([
    { scope: 'agent', id: 'a1' },
    { scope: 'user', id: 'u1' },
    { scope: 'device', id: 'd1' },
    { scope: 'group', id: 'hall' },
    { scope: 'gateway', id: 'g1' },
    { scope: 'all' },
  ])('a standing revoke of $scope comes before the ceilings', async (revoke) => {
    const plant = await createSmallPlant()
    await plant.applyControl({ command: 'revoke', ...revoke })
    expect(await judge(plant, { action: 'firmware-update' })).toBe('revoked')
  })

  test('quarantine says so', async () => {
    const plant = await createSmallPlant()
    await plant.applyControl({ command: 'revoke', scope: 'agent', id: 'a1', quarantine: true })
    expect(await judge(plant, {})).toBe('quarantined')
  })
})

describe('filing', () => {
  const check = async (
    plant: SmallPlant,
    kind: string,
    id: string,
    record: unknown,
    options: { version?: number; twoPerson?: string[]; by?: string; regionOf?: (id: string) => string } = {},
  ) => {
    const { world } = plant
    const iss = options.by ?? 'root'
    const body = await world.file(kind as 'agent', id, record as never, {
      version: options.version ?? plant.authority.trust.version(kind as 'agent', id) + 1,
      ...(iss !== 'root' && { iss, by: world.signerOf('operator', iss) }),
    })
    return codeOf(() => {
      const filed = verifyCommand(plant.authority, iss, Buffer.from(body), nowSeconds())
      checkFiling(plant.authority, filed, options.twoPerson ?? [], options.regionOf ?? (() => undefined))
    })
  }
  const jwk = (): PublicJwk => ephemeralSigner().jwk
  const agent = (keys = [jwk()]) => ({ keys, users: ['u1'], actions: [], groups: [] })

  test('the next version of a record is taken, any other is wrong_version', async () => {
    const plant = await createSmallPlant()
    expect(await check(plant, 'agent', 'a9', agent())).toBeUndefined()
    expect(await check(plant, 'agent', 'a9', agent(), { version: 2 })).toBe('wrong_version')
    expect(await check(plant, 'agent', 'a1', agent(), { version: 1 })).toBe('wrong_version')
    expect(await check(plant, 'agent', 'a1', null)).toBeUndefined()
  })

  test('a key is registered once over all kinds', async () => {
    const plant = await createSmallPlant()
    const taken = plant.world.signerOf('agent', 'a1').jwk
    expect(await check(plant, 'gateway', 'g9', { keys: [taken], jurisdiction: REGION })).toBe('replayed')
    expect(await check(plant, 'agent', 'a1', agent([taken, jwk()]))).toBeUndefined()
    expect(await check(plant, 'agent', 'a9', agent([plant.world.services['token-issuer'].jwk]))).toBe('replayed')
  })

  test('a key that is not a point of its curve is none, and a record that holds one all the same vouches for nothing', async () => {
    const plant = await createSmallPlant()
    const flat = { ...ephemeralSigner().jwk, y: 'A'.repeat(43) } as PublicJwk
    expect(await check(plant, 'agent', 'a9', agent([flat]))).toBe('malformed')
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: thumbprint(flat), typ: 'x' })).toString('base64url')
    expect(digestIfSignedBy([flat], Buffer.from(`${header}.e30.${'A'.repeat(86)}`), 1000)).toBeUndefined()
  })

  test('a key that a record held before is not registered for another: an operator’s counts in every version', async () => {
    const plant = await createSmallPlant()
    const old = jwk()
    await plant.file('operator', 'op2', { keys: [old], user: 'w' })
    await plant.file('operator', 'op2', { keys: [jwk()], user: 'w' })
    expect(await check(plant, 'agent', 'a9', agent([old]))).toBe('replayed')
    await plant.file('operator', 'op2', null)
    expect(await check(plant, 'agent', 'a9', agent([old]))).toBe('replayed')
    expect(await check(plant, 'operator', 'op2', { keys: [old], user: 'w' })).toBeUndefined()
  })

  test('a device names a gateway that is registered, here', async () => {
    const plant = await createSmallPlant()
    const device = { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: [] }
    expect(await check(plant, 'device', 'd9', device)).toBeUndefined()
    expect(await check(plant, 'device', 'd9', { ...device, gateway_id: 'nowhere' })).toBe('chain_broken')
    expect(await check(plant, 'device', 'd9', { ...device, jurisdiction: 'elsewhere-1' })).toBe('wrong_jurisdiction')
    expect(await check(plant, 'gateway', 'g9', { keys: [jwk()], jurisdiction: 'elsewhere-1' })).toBe(
      'wrong_jurisdiction',
    )
  })

  test('a device is where the directory says, whatever its record says; it can still be taken out', async () => {
    const plant = await createSmallPlant()
    const device = { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: [] }
    const regionOf = (id: string) => (id === 'd1' || id === 'd8' ? 'elsewhere-1' : REGION)
    expect(await check(plant, 'device', 'd8', device, { regionOf })).toBe('wrong_jurisdiction')
    expect(await check(plant, 'device', 'd9', device, { regionOf })).toBeUndefined()
    expect(await check(plant, 'device', 'd1', null, { regionOf })).toBeUndefined()
  })

  test('only a root operator files operators, and another operator files the rest', async () => {
    const plant = await createSmallPlant()
    await plant.file('operator', 'op2', { keys: [plant.world.signerOf('operator', 'op2').jwk], user: 'w' })
    expect(await check(plant, 'operator', 'op3', { keys: [jwk()], user: 'x' })).toBeUndefined()
    expect(await check(plant, 'operator', 'op3', { keys: [jwk()], user: 'x' }, { by: 'op2' })).toBe('wrong_role')
    expect(await check(plant, 'agent', 'a9', agent(), { by: 'op2' })).toBeUndefined()
    expect(await check(plant, 'agent', 'a9', agent(), { by: 'nobody' })).toBe('unknown_key')
  })

  test('a kind that needs two persons is not filed by one', async () => {
    const plant = await createSmallPlant()
    expect(await check(plant, 'agent', 'a9', agent(), { twoPerson: ['agent'] })).toBe('approval_required')
  })

  test('the policy record is policy/active', async () => {
    const plant = await createSmallPlant()
    const policy = { bundle_sha256: 'A'.repeat(43), revision: 'r' }
    expect(await check(plant, 'policy', 'active', policy)).toBeUndefined()
    expect(await check(plant, 'policy', 'other', policy)).toBe('malformed')
  })

  test('a command outlives nothing: expired, too long, ahead, for another', async () => {
    const plant = await createSmallPlant()
    const now = nowSeconds()
    const sign = (changes: Partial<Command>) =>
      signMessage(plant.world.root, commandMessage, {
        iss: 'root',
        aud: AUDIENCE,
        iat: now,
        exp: now + 60,
        jti: freshId('c'),
        kind: 'agent',
        id: 'a9',
        version: 1,
        record: agent(),
        reason: 'test',
        ...changes,
      } as never)
    const verify = async (changes: Partial<Command>, as = 'root') => {
      const body = Buffer.from(await sign(changes))
      return codeOf(() => verifyCommand(plant.authority, as, body, now))
    }
    expect(await verify({})).toBeUndefined()
    expect(await verify({}, 'other')).toBe('wrong_subject')
    expect(await verify({ iat: now - 100, exp: now })).toBe('expired')
    expect(await verify({ exp: now + 301 })).toBe('lifetime_too_long')
    expect(await verify({ iat: now + 6, exp: now + 60 })).toBe('not_yet_valid')
    expect(await verify({ aud: 'writ:other' })).toBe('wrong_audience')
  })
})

describe('the index of intents', () => {
  const record = (jti: string, at = 1000) =>
    accepted(
      { iss: 'a1', aud: 'x', iat: at, exp: at + 60, jti, on_behalf_of: 'u', action: 'x', targets: ['d'], purpose: 'p' },
      { digest: jti.padEnd(43, 'A'), kid: 'K'.repeat(43) },
      [],
      at,
    )

  test('counts what is unfinished and what came within a minute', () => {
    const index = new IntentIndex()
    for (let n = 0; n < 20; n++) index.apply(record(`i${n}`), n + 1)
    expect(codeOf(() => checkLimits(index, 'a1', { per_minute_max: 20, unfinished_max: 99 } as never, 1001))).toBe(
      'rate_limited',
    )
    expect(codeOf(() => checkLimits(index, 'a1', { unfinished_max: 99 } as never, 1001))).toBeUndefined()
    expect(codeOf(() => checkLimits(index, 'a1', {} as never, 1001))).toBe('rate_limited')
    index.apply(ended(record('i0'), 'denied', []), 100)
    expect(codeOf(() => checkLimits(index, 'a1', { per_minute_max: 20 } as never, 1060))).toBeUndefined()
    expect(index.unfinished('a2')).toBe(0)
  })

  test('an older revision changes nothing, and a settled intent is still found by its digest', () => {
    const index = new IntentIndex()
    const live = record('i1')
    const over = ended(live, 'denied', [])
    index.apply(over, 7)
    index.apply(live, 3)
    expect(index.get('a1.i1')?.record.state).toBe('denied')
    index.apply(doneOf(over), 8)
    expect([index.get('a1.i1'), index.keyOf(live.digest), index.size]).toEqual([undefined, 'a1.i1', 0])
  })
})

test('text in pieces comes back whole, and every piece fits the bucket', () => {
  const text = JSON.stringify({ reports: 'x'.repeat(200_000) })
  const [first, ...rest] = toChunks(text)
  expect(Math.max(...[first, ...rest].map(({ length }) => length))).toBeLessThanOrEqual(60_000)
  const { more, text: head } = chunksAfter(first)
  expect(more).toBe(rest.length)
  expect(head + rest.join('')).toBe(text)
})

test('documents are spread over events that a message can hold', () => {
  const event = { type: 'policy.decided', status: 'succeeded' } as const
  const document = (n: number) => ({ typ: 'x', digest: 'A'.repeat(43), jwe: 'x'.repeat(n) })
  expect(spread(event, [])).toEqual([event])
  expect(spread(event, [document(43_900), document(43_900), document(10)]).length).toBe(2)
  expect(
    spread(
      event,
      Array.from({ length: 20 }, () => document(1000)),
    ).length,
  ).toBe(1)
})

test('only a key of two parts is a state’s', () => {
  expect(['a1.i1', 'a1.i1.intent', 'a1', 'a1.', 'op.j1.command-jti'].map(isStateKey)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ])
})
