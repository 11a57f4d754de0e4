import { redeemedMessage, resultMessage } from '@writ/contracts'
import { ephemeralSigner, openMessage, requestDigest, verifyJws } from '@writ/keys'
import { beforeEach, describe, expect, test } from 'vitest'
import { createSmallPlant, nowSeconds, type SmallPlant } from '../../../../test/support/world.ts'
import { formatValue, tokenKey, useKey } from '../core/uses.ts'
import { createIssuer, type Held, MemoryUses, mintInto, NO_INDEX, redeemOf } from '../testing/issuer.ts'

let plant: SmallPlant
let uses: MemoryUses
let held: Held
let issuer: ReturnType<typeof createIssuer>
beforeEach(async () => {
  plant = await createSmallPlant()
  uses = new MemoryUses()
  held = await mintInto(plant, uses)
  issuer = createIssuer(plant, { uses })
})

describe('G12: at most one effect', () => {
  test('one yes for each use: the same bytes get it again, another redeem does not', async () => {
    const first = await redeemOf(plant, held)
    expect(await issuer.redeemed(first)).toBe('ok')
    expect(await issuer.redeemed(first)).toBe('ok')
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('token_spent')
    expect(issuer.audit.count('token.redeemed')).toBe(1)
  })

  test('another replica gives the same bytes the same yes, and another redeem none', async () => {
    const other = createIssuer(plant, { uses })
    const first = await redeemOf(plant, held)
    expect(await issuer.redeemed(first)).toBe('ok')
    expect(await other.redeemed(first)).toBe('ok')
    expect(await other.redeemed(await redeemOf(plant, held))).toBe('token_spent')
  })

  test('of 50 redeems of one use at two replicas exactly one is told yes', async () => {
    const other = createIssuer(plant, { uses })
    const bodies = await Promise.all(Array.from({ length: 50 }, () => redeemOf(plant, held)))
    const answers = await Promise.all(bodies.map((body, n) => (n % 2 ? issuer : other).redeemed(body)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
    expect(answers.filter((answer) => answer === 'token_spent')).toHaveLength(49)
  })

  test('the same bytes while the first are in hand are answered too, and recorded once', async () => {
    const body = await redeemOf(plant, held)
    expect(await Promise.all([1, 2, 3].map(() => issuer.redeemed(body)))).toEqual(['ok', 'ok', 'ok'])
    expect(issuer.audit.count('token.redeemed')).toBe(1)
  })

  test('the same bytes get the same yes after the redeem has expired and the token was revoked', async () => {
    const body = await redeemOf(plant, held)
    expect(await issuer.redeemed(body)).toBe('ok')
    await plant.applyControl({ command: 'revoke', scope: 'agent', id: 'a1' })
    expect(await issuer.redeemed(body)).toBe('ok')
  })

  test('the same bytes get the same no, also when it would be a yes by now', async () => {
    await plant.applyControl({ command: 'revoke', scope: 'token', id: held.claims.jti })
    const body = await redeemOf(plant, held)
    expect(await issuer.redeemed(body)).toBe('revoked')
    uses.values.delete(tokenKey(held.planId))
    expect(await issuer.redeemed(body)).toBe('revoked')
  })

  test('one jti does not serve two messages', async () => {
    const [one, two] = [await redeemOf(plant, held, { jti: 'j1' }), await redeemOf(plant, held, { jti: 'j1', n: 2 })]
    expect(await issuer.redeemed(one)).toBe('ok')
    expect(await issuer.redeemed(two)).toBe('replayed')
  })
})

describe('G4: recorded before it is answered', () => {
  test('no record, no yes; the same bytes complete it when the record can be made', async () => {
    const body = await redeemOf(plant, held)
    issuer.audit.down = true
    expect(await issuer.redeemed(body)).toBe('unavailable')
    expect(uses.values.has(useKey(held.planId, 's0', 1))).toBe(true)
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('token_spent')
    issuer.audit.down = false
    expect(await issuer.redeemed(body)).toBe('ok')
    expect(issuer.audit.count('token.redeemed')).toBe(1)
  })

  test('a record that comes late is waited for by the same bytes, and not made twice', async () => {
    const body = await redeemOf(plant, held)
    const late = createIssuer(plant, { uses })
    let written = () => {}
    late.audit.disk = new Promise((resolve) => {
      written = resolve
    })
    expect(await late.redeemed(body)).toBe('unavailable')
    expect(await late.redeemed(body)).toBe('unavailable')
    written()
    expect(await late.redeemed(body)).toBe('ok')
    expect(late.audit.count('token.redeemed')).toBe(1)
  })

  test('another process completes what one left between claim and record', async () => {
    const body = await redeemOf(plant, held)
    issuer.audit.down = true
    expect(await issuer.redeemed(body)).toBe('unavailable')
    const next = createIssuer(plant, { uses })
    expect(await next.redeemed(body)).toBe('ok')
    expect(next.audit.count('token.redeemed')).toBe(1)
  })

  test.each(['lost', 'reported lost'] as const)(
    'a claim that is %s grants nothing, and the same bytes complete it',
    async (how) => {
      const body = await redeemOf(plant, held)
      uses.fail.push(how)
      expect(await issuer.redeemed(body)).toBe('unavailable')
      expect(issuer.audit.count('token.redeemed')).toBe(0)
      expect(await issuer.redeemed(body)).toBe('ok')
    },
  )

  test('the record carries the redeem itself', async () => {
    const body = await redeemOf(plant, held)
    await issuer.redeemed(body)
    const digest = requestDigest(Buffer.from(body))
    expect(issuer.audit.events[0]).toMatchObject({
      gateway_id: 'g1',
      token_id: held.claims.jti,
      plan_id: held.planId,
      documents: [{ typ: 'writ-redeem+jwt', digest, jws: body }],
    })
  })
})

describe('G7: nothing is redeemed that may have been revoked', () => {
  test('not 3 s after the start of the last acknowledged tick', async () => {
    issuer.monotonic.nowMs = 3000
    const body = await redeemOf(plant, held)
    expect(await issuer.redeemed(body)).toBe('unavailable')
    expect(uses.values.has(useKey(held.planId, 's0', 1))).toBe(false)
    issuer.freshness.acknowledged(2000)
    expect(await issuer.redeemed(body)).toBe('ok')
  })

  test.each([
    ['the agent', { scope: 'agent', id: 'a1' }],
    ['the user', { scope: 'user', id: 'u1' }],
    ['the device', { scope: 'device', id: 'd1' }],
    ['the group', { scope: 'group', id: 'hall' }],
    ['the gateway', { scope: 'gateway', id: 'g1' }],
    ['all', { scope: 'all' }],
  ])('not after a revoke of %s, lifted or not', async (_, revoke) => {
    await plant.applyControl({ command: 'revoke', ...revoke })
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('revoked')
    await plant.applyControl({ command: 'lift', lifts: plant.authority.control.seq })
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('revoked')
  })

  test('not after a revoke of the key that signed the decision', async () => {
    await plant.applyControl({ command: 'revoke', scope: 'key', id: plant.world.services['policy-evaluator'].kid })
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('revoked')
  })

  test('not after a revoke of the group that a device was moved to', async () => {
    const device = { gateway_id: 'g1', group: 'quarantine', jurisdiction: 'eusc-de-east-1', actions: ['restart'] }
    await plant.file('device', 'd1', device)
    await plant.applyControl({ command: 'revoke', scope: 'group', id: 'quarantine' })
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('revoked')
  })

  test('not after a revoke of the agent’s key or of the intent, and quarantine says so', async () => {
    const kid = plant.world.signerOf('agent', 'a1').kid
    await plant.applyControl({ command: 'revoke', scope: 'key', id: kid, quarantine: true })
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('quarantined')
  })

  test('a token of another control stream is dead', async () => {
    const stranger = await mintInto(plant, uses, { token: { rev: { stream: 'other', seq: 1 } } })
    expect(await issuer.redeemed(await redeemOf(plant, stranger))).toBe('revoked')
  })
})

describe('G2: a token serves its own gateway, key, steps and time', () => {
  test.each([
    ['an unknown token', { token_id: 'other' }, 'token_unknown'],
    ['other bytes under its id', { token_digest: 'A'.repeat(43) }, 'token_unknown'],
    ['a step that is not in it', { step: 's1' }, 'scope_exceeded'],
    ['a use that it does not have', { n: 2 }, 'token_spent'],
    ['an act that it does not ask for', { act: 'a.b.c' }, 'constraint_failed'],
    ['another audience', { aud: 'writ:elsewhere' }, 'wrong_audience'],
    ['a redeem that has expired', { iat: nowSeconds() - 120, exp: nowSeconds() - 60 }, 'expired'],
    ['a redeem of tomorrow', { iat: nowSeconds() + 60, exp: nowSeconds() + 90 }, 'not_yet_valid'],
    ['a redeem that lives too long', { exp: nowSeconds() + 3600 }, 'lifetime_too_long'],
  ])('refuses %s', async (_, changes, code) => {
    expect(await issuer.redeemed(await redeemOf(plant, held, changes))).toBe(code)
  })

  test('refuses another gateway, a plan without a token, an expired token, and a key it is not bound to', async () => {
    const [other, own] = await Promise.all([redeemOf(plant, held, { iss: 'g2' }), redeemOf(plant, held)])
    expect(await issuer.redeemed(other, 'g2')).toBe('wrong_gateway')
    const iat = nowSeconds() - 400
    const old = await mintInto(plant, uses, { token: { iat, nbf: iat, exp: iat + 300 } })
    expect(await issuer.redeemed(await redeemOf(plant, old))).toBe('token_expired')
    const bound = await mintInto(plant, uses, { token: { cnf: { jkt: plant.world.signerOf('gateway', 'g2').kid } } })
    expect(await issuer.redeemed(await redeemOf(plant, bound))).toBe('constraint_failed')
    uses.values.delete(tokenKey(held.planId))
    expect(await issuer.redeemed(own)).toBe('token_unknown')
  })

  test('a token that no issuer signed is worth nothing, even from the bucket', async () => {
    const forged = await mintInto(plant, uses, { signer: plant.world.services['intent-gateway'] })
    expect(await issuer.redeemed(await redeemOf(plant, forged))).toBe('wrong_role')
  })

  test('says why what was closed is closed', async () => {
    uses.values.set(useKey(held.planId, 's0', 1), formatValue({ closed: 'cancelled' }))
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('cancelled')
  })
})

describe('G11, hostile bytes', () => {
  test('only the gateway of the subject is heard; everybody else is counted, by the id of the subject', async () => {
    const own = await redeemOf(plant, held)
    expect(await issuer.redeemed(own, 'g2')).toBe('wrong_subject')
    expect(await issuer.redeemed(await redeemOf(plant, held, {}, ephemeralSigner()))).toBe('unknown_key')
    const [header, payload] = own.split('.')
    expect(await issuer.redeemed(`${header}.${payload}.${'A'.repeat(86)}`)).toBe('bad_signature')
    expect(await issuer.redeemed('no message')).toBe('malformed')
    expect(await issuer.redeemed('x'.repeat(50_000))).toBe('too_large')
    expect(await issuer.redeemed(held.intent)).toBe('unsupported_type')
    expect(issuer.unsigned).toEqual([
      'g2 wrong_subject',
      'g1 unknown_key',
      'g1 bad_signature',
      'g1 malformed',
      'g1 too_large',
      'g1 unsupported_type',
    ])
    expect(issuer.audit.events).toEqual([])
  })

  test('every answer is signed, names its request and the control message applied last', async () => {
    const body = Buffer.from(await redeemOf(plant, held))
    const yes = openMessage(redeemedMessage, await issuer.answer('g1', body))
    verifyJws(yes.jws, plant.world.services['token-issuer'].jwk)
    expect(yes.claims).toMatchObject({
      request: requestDigest(body),
      use: 1,
      of: 1,
      rev_head: plant.authority.control.rev,
    })
    const garbage = Buffer.from('a.b')
    const no = openMessage(resultMessage, await issuer.answer('g1', garbage))
    verifyJws(no.jws, plant.world.services['token-issuer'].jwk)
    expect(no.claims).toMatchObject({ request: requestDigest(garbage), ok: false, code: 'malformed' })
  })
})

describe('Redis says noes early and never a yes', () => {
  test('a use that it knows as spent is refused; one that it knows as this redeem’s is looked up', async () => {
    const body = await redeemOf(plant, held)
    const digest = requestDigest(Buffer.from(body))
    const lying = createIssuer(plant, { uses, index: { ...NO_INDEX, spentBy: async () => digest } })
    expect(await lying.redeemed(await redeemOf(plant, held))).toBe('token_spent')
    uses.values.set(useKey(held.planId, 's0', 1), formatValue({ redeem: 'A'.repeat(43) }))
    expect(await lying.redeemed(body)).toBe('token_spent')
  })
})
