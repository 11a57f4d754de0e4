import { recordsInForce, verifyChain, verifyPlan } from '@writ/authority'
import { planMessage, tokenMessage } from '@writ/contracts'
import { signMessage } from '@writ/keys'
import { beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, createSmallPlant, nowSeconds, type SmallPlant } from '../../../../test/support/world.ts'
import { type Asked, asked, codeOf } from '../testing/decisions.ts'
import { mintClaims, mintedOf } from './mint.ts'

let plant: SmallPlant
beforeAll(async () => {
  plant = await createSmallPlant()
})

function mint(request: Asked) {
  const { authority } = plant
  const chain = verifyChain(authority, request, recordsInForce(authority), nowSeconds())
  const [gateway, policy] = [authority.trust.record('gateway', request.gateway_id), recordsInForce(authority).policy()]
  if (gateway === undefined || policy === undefined) throw new Error('registered')
  const context = {
    audience: AUDIENCE,
    gateway,
    policy,
    rev: authority.control.rev,
    nowSeconds: nowSeconds(),
    tokenId: 't1',
  }
  return { claims: mintClaims(chain, context), minted: mintedOf(chain, gateway.id) }
}

describe('G2: a token carries exactly what its plan needs', () => {
  test('scopes of this gateway’s targets only, in the intent’s order, bound to its key and to policy’s time', async () => {
    const request = await asked(plant, { intent: { targets: ['d2', 'd3', 'd1'] } })
    const { claims, minted } = mint(request)
    expect(claims).toMatchObject({
      aud: 'g1',
      sub: 'a1',
      scope: ['device:restart:d2', 'device:restart:d1'],
      groups: ['hall'],
      cnf: { jkt: plant.world.signerOf('gateway', 'g1').kid },
      max_uses: 1,
    })
    expect(claims.exp - claims.iat).toBe(300)
    expect(minted.steps).toEqual(['s0', 's2'])
    expect(mint({ ...request, gateway_id: 'g2' }).claims.scope).toEqual(['device:restart:d3'])
  })

  test('the gateway accepts a plan with it, whole', async () => {
    const request = await asked(plant, { intent: { targets: ['d1', 'd3', 'd2'] } })
    const { claims, minted } = mint(request)
    const { world } = plant
    const token = await signMessage(world.services['token-issuer'], tokenMessage, claims)
    const { gateway_id, intent, decision, earlier, approvals, attestations } = request
    const names = ['agent.a1', 'device.d1', 'device.d2', 'policy.active']
    const plan = await signMessage(world.services['intent-gateway'], planMessage, {
      iss: 'intent-gateway',
      aud: AUDIENCE,
      iat: claims.iat,
      exp: claims.exp,
      plan_id: claims.plan_id,
      steps: minted.steps.map((step_id, index) => ({ step_id, device_id: ['d1', 'd2'][index] ?? '' })),
      records: names.map((name) => plant.values.get(name) ?? ''),
      ...{ gateway_id, intent, decision, earlier, approvals, attestations, token },
    })
    const kid = world.signerOf('gateway', 'g1').kid
    expect(await codeOf(() => verifyPlan(plant.authority, plan, { id: 'g1', kid }, nowSeconds()))).toBe('accepted')
  })

  test('none for a gateway that has no target, and none for delivery by the agent', async () => {
    const elsewhere = await asked(plant, { gateway: 'g2' })
    expect(await codeOf(() => mint(elsewhere))).toBe('wrong_gateway')
    const byAgent = await asked(plant, { intent: { delivery: 'agent' } })
    expect(await codeOf(() => mint(byAgent))).toBe('unavailable')
  })
})
