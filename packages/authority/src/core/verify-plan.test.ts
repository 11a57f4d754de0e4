import { digestOf, ephemeralSigner, type Signer } from '@writ/keys'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  approvalOf,
  createSmallPlant,
  decisionOf,
  intentOf,
  nowSeconds,
  OBLIGATIONS,
  type PlanParts,
  planOf,
  REGION,
  type SmallPlant,
} from '../../../../test/support/world.ts'
import { createAuthority, verifyPlan } from '../index.ts'

let plant: SmallPlant
beforeAll(async () => {
  plant = await createSmallPlant()
})

const verify = (plan: string, id = 'g1', at = nowSeconds()) =>
  verifyPlan(plant.authority, plan, { id, kid: plant.world.signerOf('gateway', id).kid }, at)
function codeOf(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
type Changes = Parameters<typeof planOf>[1]
const make = async (changes: Changes = {}): Promise<PlanParts> => planOf(plant, changes)
const shownFor = (intent: string, roles: string[], count: number) =>
  decisionOf(plant, intent, {
    outcome: 'needs_approval',
    exp: nowSeconds() + 600,
    obligations: { ...OBLIGATIONS, approvals: { count, roles, expires_s: 600 } },
  })

describe('G1: a gateway starts nothing without a chain that verifies at the gateway itself', () => {
  test('takes a whole chain', async () => {
    const verified = verify((await make({ devices: ['d1', 'd2'] })).plan)
    expect(verified.chain.devices.map(({ id }) => id)).toEqual(['d1', 'd2'])
    expect(verified.touched).toMatchObject({ agent: 'a1', gateways: ['g1'], devices: ['d1', 'd2'] })
  })

  const stranger: Signer = ephemeralSigner()
  const now = nowSeconds()
  const cases: readonly (readonly [string, string, (() => Changes) | Changes])[] = [
    ['a plan by an unknown key', 'unknown_key', { signers: { plan: stranger } }],
    [
      'a plan by another service',
      'wrong_role',
      () => ({ signers: { plan: plant.world.services['policy-evaluator'] } }),
    ],
    ['a token by an unknown key', 'unknown_key', { signers: { token: stranger } }],
    [
      'a token by the gateway of intents',
      'wrong_role',
      () => ({ signers: { token: plant.world.services['intent-gateway'] } }),
    ],
    [
      'a decision by token-issuer',
      'wrong_role',
      () => ({ signers: { decision: plant.world.services['token-issuer'] } }),
    ],
    ['an intent by another agent’s key', 'unknown_key', { signers: { intent: stranger } }],
    ['a token that claims to know of a later revoke', 'unavailable', { token: { rev: { stream: 's1', seq: 1000 } } }],
    ['an expired plan', 'expired', { plan: { iat: now - 100, exp: now - 1 } }],
    ['an expired token', 'token_expired', { token: { iat: now - 100, nbf: now - 100, exp: now - 1 } }],
    ['a token that is not valid yet', 'not_yet_valid', { token: { nbf: now + 100, exp: now + 200 } }],
    ['a token that lives too long', 'lifetime_too_long', { token: { exp: now + 3700 } }],
    ['a token for another gateway', 'wrong_gateway', { token: { aud: 'g2' } }],
    ['a token bound to another key', 'constraint_failed', { token: { cnf: { jkt: 'A'.repeat(43) } } }],
    ['a token of another intent', 'chain_broken', { token: { intent_digest: 'A'.repeat(43) } }],
    ['a token of another decision', 'chain_broken', { token: { decision_digest: 'A'.repeat(43) } }],
    ['a token for another agent', 'chain_broken', { token: { sub: 'a2' } }],
    ['a token for another user', 'chain_broken', { token: { user: 'u2' } }],
    ['a token of another plan', 'chain_broken', { token: { plan_id: 'p1' } }],
    ['a token with records of its own', 'chain_broken', { token: { records: ['A'.repeat(43)] } }],
    ['a token with other groups', 'chain_broken', { token: { groups: ['other'] } }],
    ['a token with more tries than the decision', 'chain_broken', { token: { max_uses: 3 } }],
    ['a token that lives longer than the decision says', 'chain_broken', { token: { exp: now + 400 } }],
    [
      'a token whose bind was dropped',
      'chain_broken',
      { decision: { obligations: { ...OBLIGATIONS, bind: { network: ['10.0.0.0/8'] } } } },
    ],
    ['a token of another control stream', 'revoked', { token: { rev: { stream: 's0', seq: 1 } } }],
    ['a wider scope', 'scope_exceeded', { token: { scope: ['device:restart:d1', 'device:restart:d2'] } }],
    ['another action in the scope', 'scope_exceeded', { token: { scope: ['device:firmware-update:d1'] } }],
    ['a step id that is not the target’s', 'scope_exceeded', { plan: { steps: [{ step_id: 's1', device_id: 'd1' }] } }],
    ['a plan that outlives its token', 'chain_broken', { plan: { exp: now + 3000 } }],
    ['a plan id of its own', 'chain_broken', { plan: { plan_id: 'p123' } }],
    ['a decision that denies', 'policy_denied', { decision: { outcome: 'deny' } }],
    ['a decision that waits for approval', 'policy_denied', { decision: { outcome: 'needs_approval' } }],
    ['a decision of another intent', 'chain_broken', { decision: { intent_digest: 'A'.repeat(43) } }],
    [
      'a decision under another policy',
      'chain_broken',
      { decision: { policy: { version: 2, bundle_sha256: 'A'.repeat(43) } } },
    ],
    [
      'a decision that expired before the token',
      'expired',
      { intent: { iat: now - 120, exp: now + 60 }, decision: { iat: now - 100, exp: now - 40 } },
    ],
    ['a decision whose first one is missing', 'chain_broken', { decision: { first: 'A'.repeat(43) } }],
    ['an intent that had expired when it was decided', 'expired', { intent: { iat: now - 200, exp: now - 100 } }],
    ['an intent from after its decision', 'not_yet_valid', { intent: { iat: now + 60, exp: now + 120 } }],
    ['an intent that lives too long', 'lifetime_too_long', { intent: { exp: now + 700 } }],
    ['an intent for another region', 'wrong_audience', { intent: { aud: 'writ:us-east-1' } }],
    [
      'an intent for a user who is not the agent’s',
      'wrong_user',
      { intent: { on_behalf_of: 'u9' }, token: { user: 'u9' } },
    ],
    ['an action beyond the agent’s ceiling', 'scope_exceeded', { intent: { action: 'firmware-update' } }],
    [
      'attestation results that the decision does not name',
      'chain_broken',
      { plan: { attestations: [] }, decision: { attestations: ['A'.repeat(43)] } },
    ],
    [
      'a policy that demands attestation, without any',
      'attestation_required',
      { decision: { obligations: { ...OBLIGATIONS, attestation: { profile: 'p', max_age_s: 60, expires_s: 60 } } } },
    ],
    [
      'a policy that demands approval, without any',
      'approval_required',
      { decision: { obligations: { ...OBLIGATIONS, approvals: { count: 1, roles: ['manager'], expires_s: 60 } } } },
    ],
  ]
  test.each(cases)('refuses %s: %s', async (_, code, changes) => {
    const { plan } = await make(typeof changes === 'function' ? changes() : changes)
    expect(codeOf(() => verify(plan))).toBe(code)
  })

  test('refuses a record that no operator signed, and one that was swapped', async () => {
    const forged = await plant.world.file(
      'device',
      'd1',
      { gateway_id: 'g1', group: 'hall', jurisdiction: REGION, actions: ['restart'] },
      { by: stranger, version: 9 },
    )
    const good = await make()
    const records = (
      JSON.parse(Buffer.from(good.plan.split('.')[1] as string, 'base64url').toString()) as { records: string[] }
    ).records
    const swapped = records.map((value, index) => (index === 1 ? forged : value))
    expect(codeOf(() => verify(good.plan))).toBe('accepted')
    const plan = (await make({ plan: { records: swapped } })).plan
    expect(codeOf(() => verify(plan))).toBe('unknown_key')
    const other = (
      await make({ plan: { records: [records[0], plant.values.get('device.d2'), records[2]] as string[] } })
    ).plan
    expect(codeOf(() => verify(other))).toBe('unknown_device')
  })

  test('refuses a flipped byte anywhere in the plan', async () => {
    const { plan } = await make()
    for (let at = 0; at < plan.length; at += 97) {
      const bytes = Buffer.from(plan)
      bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
      if (bytes.toString() === plan) continue
      expect(codeOf(() => verify(bytes.toString()))).not.toBe('accepted')
    }
  })
})

describe('G1, G10: approvals and floors', () => {
  const roles = ['manager']
  test('takes two approvals of distinct users, refuses one, and refuses the floor that policy forgot', async () => {
    const intent = await intentOf(plant)
    const shown = await shownFor(intent, roles, 2)
    const [a, b] = [await approvalOf(plant, 'p1', intent, shown), await approvalOf(plant, 'p2', intent, shown)]
    const final = (approvals: string[]) => ({
      intentJws: intent,
      approvals,
      earlier: [shown],
      decision: {
        first: digestOf(shown),
        shown: digestOf(shown),
        obligations: { ...OBLIGATIONS, approvals: { count: 2, roles, expires_s: 600 } },
      },
    })
    const two = await make(final([a, b]))
    expect(codeOf(() => verify(two.plan))).toBe('accepted')
    const one = await make(final([a]))
    expect(codeOf(() => verify(one.plan))).toBe('approval_required')
    const twice = await make(final([a, a]))
    expect(codeOf(() => verify(twice.plan))).not.toBe('accepted')
    const rejected = await approvalOf(plant, 'p2', intent, shown, { verdict: 'reject' })
    const no = await make(final([a, rejected]))
    expect(codeOf(() => verify(no.plan))).toBe('approval_rejected')
    const late = await approvalOf(plant, 'p2', intent, shown, { iat: nowSeconds() + 700, exp: nowSeconds() + 800 })
    const tooLate = await make(final([a, late]))
    expect(codeOf(() => verify(tooLate.plan))).toBe('approval_expired')
  })

  test('a floor in the device’s record holds whatever policy says', async () => {
    const floored = await createSmallPlant()
    await floored.file('device', 'd1', {
      gateway_id: 'g1',
      group: 'hall',
      jurisdiction: REGION,
      actions: ['restart'],
      floors: { restart: { approvals: { count: 1, roles } } },
    })
    const { plan } = await planOf(floored)
    const identity = { id: 'g1', kid: floored.world.signerOf('gateway', 'g1').kid }
    expect(codeOf(() => verifyPlan(floored.authority, plan, identity, nowSeconds()))).toBe('approval_required')
  })
})

describe('G7: withdrawn authority', () => {
  test.each([
    ['all', undefined],
    ['agent', 'a1'],
    ['user', 'u1'],
    ['device', 'd1'],
    ['gateway', 'g1'],
    ['group', 'hall'],
  ] as const)('a plan is dead once a revoke of %s stands, and lifting it revives no older token', async (scope, id) => {
    const revoked = await createSmallPlant()
    const identity = { id: 'g1', kid: revoked.world.signerOf('gateway', 'g1').kid }
    const check = (plan: string) => codeOf(() => verifyPlan(revoked.authority, plan, identity, nowSeconds()))
    const { plan } = await planOf(revoked)
    expect(check(plan)).toBe('accepted')
    await revoked.applyControl({ command: 'revoke', scope, ...(id !== undefined && { id }) })
    expect(check(plan)).toBe('revoked')
    await revoked.applyControl({ command: 'lift', lifts: revoked.authority.control.seq })
    expect(check(plan)).toBe('revoked')
    expect(check((await planOf(revoked)).plan)).toBe('accepted')
  })
})

test('pins are pins: another plane’s authority takes nothing', async () => {
  const other = createAuthority(REGION, (await createSmallPlant()).world.trust)
  const { plan } = await make()
  expect(
    codeOf(() => verifyPlan(other, plan, { id: 'g1', kid: plant.world.signerOf('gateway', 'g1').kid }, nowSeconds())),
  ).toBe('unknown_key')
})
