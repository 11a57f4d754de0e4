import { digestOf, ephemeralSigner } from '@writ/keys'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  createSmallPlant,
  decisionOf,
  nowSeconds,
  OBLIGATIONS,
  type SmallPlant,
} from '../../../../test/support/world.ts'
import { ALLOW, type Asked, always, asked, codeOf, DENY } from '../testing/decisions.ts'
import { decideAgain } from './decide-again.ts'

let plant: SmallPlant
beforeEach(async () => {
  plant = await createSmallPlant()
})
const decide = (request: Asked, own = ALLOW, at = nowSeconds()) =>
  codeOf(() => decideAgain(plant.authority, request, always(own), at))

describe('G3: two parties decide', () => {
  test('accepts a decision that this decider comes to by itself', async () => {
    expect(await decide(await asked(plant))).toBe('accepted')
  })

  test('an allow of an evaluator gone bad is not followed where policy denies', async () => {
    expect(await decide(await asked(plant), DENY)).toBe('again')
  })

  test('milder obligations than policy demands are not followed', async () => {
    const obligations = { ...ALLOW.obligations, ttl_s: 3600 }
    expect(await decide(await asked(plant, { decision: { obligations } }))).toBe('again')
  })

  test('a decision about an input that nobody signed is decided again', async () => {
    expect(await decide(await asked(plant, { decision: { input_sha256: `${'B'.repeat(42)}A` } }))).toBe('again')
  })

  test('a decision by a key that is endorsed for another role is refused', async () => {
    const signer = plant.world.services['intent-gateway']
    expect(await decide(await asked(plant, { signer }))).toBe('wrong_role')
    expect(await decide(await asked(plant, { signer: ephemeralSigner() }))).toBe('unknown_key')
  })

  test('a decision that allows nothing is a decided no', async () => {
    expect(await decide(await asked(plant, { decision: { outcome: 'deny' } }))).toBe('policy_denied')
  })

  test('an intent beyond the ceiling of its agent is refused whatever was decided', async () => {
    const request = await asked(plant)
    const keys = [plant.world.signerOf('agent', 'a1').jwk]
    await plant.file('agent', 'a1', { keys, users: ['u1'], actions: ['telemetry-read'], groups: ['hall'] })
    expect(await decide(request)).toBe('scope_exceeded')
  })
})

describe('what has moved on is decided again', () => {
  test('the active policy', async () => {
    const request = await asked(plant)
    await plant.file('policy', 'active', { bundle_sha256: 'A'.repeat(43), revision: 'r2' })
    expect(await decide(request)).toBe('again')
    await plant.file('policy', 'active', { bundle_sha256: `${'B'.repeat(42)}A`, revision: 'r3' })
    expect(await decide(request)).toBe('again')
  })

  test('a record that the decision names', async () => {
    const request = await asked(plant)
    const keys = [plant.world.signerOf('agent', 'a1').jwk]
    await plant.file('agent', 'a1', { keys, users: ['u1'], actions: ['restart'], groups: ['hall'] })
    expect(await decide(request)).toBe('again')
  })

  test('time', async () => {
    expect(await decide(await asked(plant), ALLOW, nowSeconds() + 61)).toBe('again')
  })

  test('reports other than those that the decision names', async () => {
    const request = await asked(plant)
    expect(await decide({ ...request, reports: [request.intent] })).toBe('again')
  })
})

describe('G3, G12: an old intent that is decided anew', () => {
  /** An old intent with its first decision, and a new decision about it that an honest evaluator was led to make. */
  async function again(ageSeconds: number, waits = true): Promise<Asked> {
    const iat = nowSeconds() - ageSeconds
    const endorsement = await plant.world.endorse('policy-evaluator', { iat: iat - 60, exp: iat + 60 })
    const kid = plant.world.services['policy-evaluator'].kid
    plant.authority.trust.apply({ kind: 'key', id: kid, data: Buffer.from(endorsement) })
    const old = await asked(plant, { intent: { jti: 'old', iat, exp: iat + 60 }, decision: { iat, exp: iat + 60 } })
    const attestation = { profile: 'agent-host', max_age_s: 60, expires_s: 86_400 }
    const obligations = { ...OBLIGATIONS, attestation }
    const wait = { outcome: 'needs_attestation', exp: iat + 86_400, obligations } as const
    const first = await decisionOf(plant, old.intent, { iat, exp: iat + 60, ...(waits && wait) })
    const request = await asked(plant, {
      intent: { jti: 'old', iat, exp: iat + 60 },
      decision: { first: digestOf(first) },
    })
    const decision = await decisionOf(plant, old.intent, {
      ...JSON.parse(Buffer.from(request.decision.split('.')[1] ?? '', 'base64url').toString()),
      intent_digest: digestOf(old.intent),
      first: digestOf(first),
    })
    return { ...request, intent: old.intent, decision, earlier: [first] }
  }

  test('is minted for if it waited for hours', async () => {
    expect(await decide(await again(12 * 3600))).toBe('accepted')
  })

  test('one that waited for nobody has expired with its own exp, whoever had it decided anew', async () => {
    expect(await decide(await again(50, false))).toBe('accepted')
    expect(await decide(await again(3600, false))).toBe('expired')
  })

  test('one that was first decided a day ago has expired, whoever had it decided anew', async () => {
    expect(await decide(await again(25 * 3600))).toBe('expired')
  })
})
