import type { NewEvent } from '@writ/audit'
import { type Decision, decisionMessage, Fault, reportMessage } from '@writ/contracts'
import { digestOf, ephemeralSigner, openMessage, signMessage, verifyJws } from '@writ/keys'
import { OBLIGATION_DEFAULTS, type PolicyDecision, type PolicyInput } from '@writ/policy'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  AUDIENCE,
  approvalOf,
  BUNDLE,
  createSmallPlant,
  intentOf,
  nowSeconds,
  type SmallPlant,
} from '../../../../test/support/world.ts'
import type { DecideRequest } from '../core/verify-request.ts'
import { type DecideDeps, decide } from './decide.ts'

const ALLOW: PolicyDecision = { outcome: 'allow', reasons: [], obligations: OBLIGATION_DEFAULTS }
const wait = { approvals: { count: 1, roles: ['manager'], expires_s: 900 } }
const NEEDS: PolicyDecision = {
  outcome: 'needs_approval',
  reasons: [{ code: 'approval_required', message: 'ask' }],
  obligations: { ...OBLIGATION_DEFAULTS, ...wait },
}

let plant: SmallPlant
let events: NewEvent[]
let inputs: PolicyInput[]
let stored: Map<string, string>
let outcome: PolicyDecision
beforeEach(async () => {
  plant = await createSmallPlant()
  events = []
  inputs = []
  stored = new Map()
  outcome = ALLOW
})

function evaluator(changes: Partial<DecideDeps> = {}) {
  const evaluate = (input: PolicyInput) => {
    inputs.push(input)
    return outcome
  }
  return decide({
    authority: plant.authority,
    signer: plant.world.services['policy-evaluator'],
    reports: {
      latest: async (gateway, device) => {
        const body = stored.get(`${gateway}.${device}`)
        return body === undefined ? undefined : Buffer.from(body)
      },
    },
    evaluators: { get: async () => ({ bundleSha256: BUNDLE, evaluate }) },
    audit: { keep: async (recorded) => void events.push(...recorded) },
    clock: { nowSeconds },
    rev: () => plant.authority.control.rev,
    catchUp: async () => undefined,
    decided: () => undefined,
    ...changes,
  })
}
type Answer = { decision: Decision; compact: string; reports: string[] }
async function decided(
  request: Partial<DecideRequest> & { intent: string },
  changes?: Partial<DecideDeps>,
): Promise<Answer> {
  const reply = await evaluator(changes)({ approvals: [], attestations: [], ...request })
  if (!reply.ok) throw new Error(reply.message)
  const opened = openMessage(decisionMessage, reply.decision)
  verifyJws(opened.jws, plant.world.services['policy-evaluator'].jwk)
  return { decision: opened.claims, compact: reply.decision, reports: reply.reports }
}
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: Fault) => error.code ?? String(error),
  )
const reportOf = (changes: object = {}, signer = plant.world.signerOf('gateway', 'g1')) =>
  signMessage(signer, reportMessage, {
    iss: 'g1',
    aud: AUDIENCE,
    iat: nowSeconds(),
    device_id: 'd1',
    state: { mode: 'idle' },
    observed_at: nowSeconds(),
    address: '10.0.0.1',
    ...changes,
  })

describe('a decision is a signed statement', () => {
  test('names intent, input, policy and records, and lives 60 s', async () => {
    const intent = await intentOf(plant, { targets: ['d2', 'd1'] })
    const { decision, compact } = await decided({ intent })
    const names = ['agent.a1', 'device.d2', 'device.d1', 'policy.active']
    expect(decision).toMatchObject({
      intent_digest: digestOf(intent),
      policy: { version: 1, bundle_sha256: BUNDLE },
      outcome: 'allow',
      records: names.map((name) => digestOf(plant.values.get(name) ?? '')),
      obligations: OBLIGATION_DEFAULTS,
    })
    expect(decision.exp - decision.iat).toBe(60)
    expect(inputs[0]?.now).toBe(decision.iat)
    expect(events).toMatchObject([
      { type: 'policy.decided', status: 'succeeded', documents: [{ jws: compact, digest: digestOf(compact) }] },
    ])
  })

  test('a denial is a decision too', async () => {
    outcome = { ...ALLOW, outcome: 'deny', reasons: [{ code: 'params_out_of_bounds', message: 'too much' }] }
    const { decision } = await decided({ intent: await intentOf(plant) })
    expect(decision).toMatchObject({ outcome: 'deny', reasons: outcome.reasons })
    expect(events).toMatchObject([{ status: 'denied', reasons: ['params_out_of_bounds'] }])
  })

  test('one that waits for people lives as long as it waits, and the next one names it and what they saw', async () => {
    outcome = NEEDS
    const intent = await intentOf(plant)
    const first = await decided({ intent })
    expect(first.decision.exp - first.decision.iat).toBe(900)
    outcome = { ...NEEDS, outcome: 'allow', reasons: [] }
    const shown = digestOf(first.compact)
    const approval = await approvalOf(plant, 'p1', intent, first.compact)
    const { decision } = await decided({ intent, first: shown, shown, approvals: [approval] })
    expect(decision).toMatchObject({ first: shown, shown, approvals: [digestOf(approval)] })
    expect(decision.records).toContain(digestOf(plant.values.get('approver.p1') ?? ''))
    expect(inputs[1]?.approvals).toMatchObject([{ user: 'boss1', verdict: 'approve' }])
  })

  test('no record of it, no decision', async () => {
    const keep = async () => {
      throw new Fault('unavailable', { message: 'no room' })
    }
    expect(await codeOf(decided({ intent: await intentOf(plant) }, { audit: { keep } }))).toBe('unavailable')
  })
})

describe('device state enters a decision by a signed report only', () => {
  test('the last one of the device’s own gateway is seen, named and handed on', async () => {
    const report = await reportOf()
    stored.set('g1.d1', report)
    const { decision, reports } = await decided({ intent: await intentOf(plant) })
    expect(decision.reports).toEqual([digestOf(report)])
    expect(reports).toEqual([report])
    expect(inputs[0]?.targets[0]?.report).toMatchObject({ state: { mode: 'idle' } })
  })

  test.each([
    ['an old one', { observed_at: nowSeconds() - 151 }, 'g1'],
    ['another gateway’s', { iss: 'g2' }, 'g2'],
    ['another device’s', { device_id: 'd2' }, 'g1'],
    ['one that its gateway did not sign', {}, 'g2'],
    ['one for another audience', { aud: 'writ:elsewhere' }, 'g1'],
  ])('%s means unknown', async (_, changes, signer) => {
    stored.set('g1.d1', await reportOf(changes, plant.world.signerOf('gateway', signer)))
    const { decision, reports } = await decided({ intent: await intentOf(plant) })
    expect([decision.reports, reports, inputs[0]?.targets[0]?.report]).toEqual([[], [], undefined])
  })
})

describe('refuses before policy is asked', () => {
  test('an intent that its agent did not sign, or that goes beyond a ceiling', async () => {
    expect(await codeOf(decided({ intent: await intentOf(plant, {}, ephemeralSigner()) }))).toBe('unknown_key')
    expect(await codeOf(decided({ intent: await intentOf(plant, { iss: 'nobody' }) }))).toBe('unknown_agent')
    expect(await codeOf(decided({ intent: await intentOf(plant, { on_behalf_of: 'u2' }) }))).toBe('wrong_user')
    expect(await codeOf(decided({ intent: await intentOf(plant, { targets: ['d9'] }) }))).toBe('unknown_device')
    expect(await codeOf(decided({ intent: await intentOf(plant, { action: 'firmware-update' }) }))).toBe(
      'scope_exceeded',
    )
    expect(inputs).toEqual([])
  })

  test('an intent that is not in time, unless it was for the first decision', async () => {
    const past = { iat: nowSeconds() - 120, exp: nowSeconds() - 60 }
    expect(await codeOf(decided({ intent: await intentOf(plant, past) }))).toBe('expired')
    const ahead = { iat: nowSeconds() + 60, exp: nowSeconds() + 90 }
    expect(await codeOf(decided({ intent: await intentOf(plant, ahead) }))).toBe('not_yet_valid')
    expect(await codeOf(decided({ intent: await intentOf(plant, past), first: 'A'.repeat(43) }))).toBe('accepted')
  })

  test.each([
    ['agent', 'a1'],
    ['user', 'u1'],
    ['device', 'd1'],
    ['group', 'hall'],
    ['gateway', 'g1'],
  ])('what a standing revoke of the %s names', async (scope, id) => {
    await plant.applyControl({ command: 'revoke', scope, id, quarantine: scope === 'device' })
    const code = scope === 'device' ? 'quarantined' : 'revoked'
    expect(await codeOf(decided({ intent: await intentOf(plant) }))).toBe(code)
    await plant.applyControl({ command: 'lift', lifts: plant.authority.control.seq })
    expect(await codeOf(decided({ intent: await intentOf(plant) }))).toBe('accepted')
  })

  test('approvals about something else, and those that come without a decision that was shown', async () => {
    const [intent, other] = [await intentOf(plant), await intentOf(plant)]
    const shown = await decided({ intent })
    const approval = await approvalOf(plant, 'p1', other, shown.compact)
    const about = { intent, shown: digestOf(shown.compact), approvals: [approval] }
    expect(await codeOf(decided(about))).toBe('chain_broken')
    const loose = await approvalOf(plant, 'p1', intent, shown.compact)
    expect(await codeOf(decided({ intent, approvals: [loose] }))).toBe('chain_broken')
  })
})

describe('G8: could not decide is no decision', () => {
  test('no policy, no bundle, no CONTROL, no reports', async () => {
    const unavailable = async () => {
      throw new Fault('unavailable', { message: 'away' })
    }
    const intent = await intentOf(plant)
    expect(await codeOf(decided({ intent }, { evaluators: { get: unavailable } }))).toBe('unavailable')
    expect(await codeOf(decided({ intent }, { reports: { latest: unavailable } }))).toBe('unavailable')
    const rev = () => {
      throw new Fault('unavailable', { message: 'withheld' })
    }
    expect(await codeOf(decided({ intent }, { rev }))).toBe('unavailable')
    await plant.file('policy', 'active', null)
    expect(await codeOf(decided({ intent }))).toBe('unavailable')
    expect(events).toEqual([])
  })

  test('a no is said only after reading what is stored: a record of a moment ago counts', async () => {
    const signer = plant.world.signerOf('agent', 'a2')
    const catchUp = async () =>
      void (await plant.file('agent', 'a2', {
        keys: [signer.jwk],
        users: ['u1'],
        actions: ['restart'],
        groups: ['hall'],
      }))
    expect(await codeOf(decided({ intent: await intentOf(plant, { iss: 'a2' }) }, { catchUp }))).toBe('accepted')
  })
})
