import { cancelMessage } from '@writ/contracts'
import { digestOf, type Signer, signMessage } from '@writ/keys'
import { beforeEach, describe, expect, test } from 'vitest'
import { AUDIENCE, createSmallPlant, freshId, nowSeconds, type SmallPlant } from '../../../../test/support/world.ts'
import { asked, codeOf } from '../testing/decisions.ts'
import { createIssuer, type Held, MemoryUses, mintInto, outcomeOf, redeemOf } from '../testing/issuer.ts'
import { close } from './close.ts'
import { ended } from './ended.ts'

let plant: SmallPlant
let uses: MemoryUses
let held: Held
let issuer: ReturnType<typeof createIssuer>
beforeEach(async () => {
  plant = await createSmallPlant()
  uses = new MemoryUses()
  held = await mintInto(plant, uses, { targets: ['d1', 'd2'], token: { max_uses: 2 } })
  issuer = createIssuer(plant, { uses })
})
const catchUp = async () => undefined
const closing = (request: object) =>
  close({ ...issuer.deps, catchUp })({ intent: held.intent, gateways: ['g1'], why: 'expired', ...request })
const cancelOf = (changes: object = {}, signer?: Signer) =>
  signMessage(signer ?? plant.world.signerOf('agent', 'a1'), cancelMessage, {
    iss: 'a1',
    aud: AUDIENCE,
    iat: nowSeconds(),
    exp: nowSeconds() + 60,
    jti: freshId('x'),
    intent_digest: digestOf(held.intent),
    ...changes,
  })
const steps = (first: number, second: number) => ({
  ok: true,
  plans: [
    {
      plan_id: held.planId,
      gateway_id: 'g1',
      steps: [
        { step_id: 's0', redeemed: first },
        { step_id: 's1', redeemed: second },
      ],
    },
  ],
})

describe('an agent cancels its intent', () => {
  test('what was redeemed before runs, nothing else is redeemed', async () => {
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('ok')
    expect(await closing({ why: 'cancelled', cancel: await cancelOf() })).toEqual(steps(1, 0))
    expect(await issuer.redeemed(await redeemOf(plant, held, { step: 's1' }))).toBe('cancelled')
    expect(await closing({ why: 'expired', cancel: await cancelOf() }).catch(() => 'not expired')).toBe('not expired')
    expect(await closing({ why: 'cancelled', cancel: await cancelOf() })).toEqual(steps(1, 0))
  })

  test('whoever creates the use first wins: a redeem and a cancel at once never both have it', async () => {
    for (let n = 0; n < 20; n++) {
      held = await mintInto(plant, uses, { targets: ['d1', 'd2'] })
      const [body, cancel] = await Promise.all([redeemOf(plant, held), cancelOf()])
      const [answer, closed] = await Promise.all([issuer.redeemed(body), closing({ why: 'cancelled', cancel })])
      expect(closed).toEqual(steps(answer === 'ok' ? 1 : 0, 0))
    }
  })

  test('nobody else does', async () => {
    const refused = async (cancel: string | undefined) =>
      codeOf(() => closing({ why: 'cancelled', ...(cancel !== undefined && { cancel }) }))
    expect(await refused(undefined)).toBe('malformed')
    expect(await refused(await cancelOf({}, plant.world.signerOf('agent', 'a2')))).toBe('unknown_key')
    expect(await refused(await cancelOf({ intent_digest: 'A'.repeat(43) }))).toBe('chain_broken')
    const keys = [plant.world.signerOf('agent', 'a2').jwk]
    await plant.file('agent', 'a2', { keys, users: ['u1'], actions: ['restart'], groups: ['hall'] })
    expect(await refused(await cancelOf({ iss: 'a2' }, plant.world.signerOf('agent', 'a2')))).toBe('chain_broken')
    expect([...uses.values.keys()]).toHaveLength(1)
  })

  test('a plan that has no token gets none any more', async () => {
    const { intent } = await asked(plant, { intent: { targets: ['d3'] } })
    const cancel = await cancelOf({ intent_digest: digestOf(intent) })
    const closed = await closing({ intent, gateways: ['g2'], why: 'cancelled', cancel })
    expect(closed).toMatchObject({ plans: [{ gateway_id: 'g2', steps: [{ step_id: 's0', redeemed: 0 }] }] })
  })
})

describe('expiry and revocation are this issuer’s own findings', () => {
  test('a token that lives is not expired, and one that nothing revokes is not revoked', async () => {
    expect(await codeOf(() => closing({ why: 'expired' }))).toBe('unavailable')
    expect(await codeOf(() => closing({ why: 'revoked' }))).toBe('unavailable')
    await plant.applyControl({ command: 'revoke', scope: 'user', id: 'u1' })
    expect(await closing({ why: 'revoked' })).toEqual(steps(0, 0))
  })

  test('after the token’s end what is left is closed', async () => {
    const iat = nowSeconds() - 400
    held = await mintInto(plant, uses, { targets: ['d1', 'd2'], token: { iat, nbf: iat, exp: iat + 300 } })
    expect(await closing({ why: 'expired' })).toEqual(steps(0, 0))
  })
})

describe('a step runs once', () => {
  const end = (outcome: string) => codeOf(() => ended({ ...issuer.deps, catchUp })({ outcome }))
  const second = async () => issuer.redeemed(await redeemOf(plant, held, { n: 2 }))

  test('its next use is claimed only after the one before ended without effect, by its gateway’s word', async () => {
    expect(await issuer.redeemed(await redeemOf(plant, held))).toBe('ok')
    expect(await second()).toBe('unavailable')
    expect(await end(await outcomeOf(plant, held, { iss: 'g2' }))).toBe('wrong_gateway')
    expect(await end(await outcomeOf(plant, held, { state: 'succeeded' }))).toBe('chain_broken')
    expect(await second()).toBe('unavailable')
    expect(await end(await outcomeOf(plant, held))).toBe('accepted')
    expect(await second()).toBe('ok')
  })

  test('a use that was never redeemed does not end', async () => {
    expect(await end(await outcomeOf(plant, held))).toBe('token_unknown')
    expect(await end(await outcomeOf(plant, held, { use_id: `${held.planId}/s1/1` }))).toBe('chain_broken')
  })
})
