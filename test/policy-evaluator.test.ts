import { decideRpc } from '@writ/contracts'
import { digestOf, ephemeralSigner, sha256 } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DecidersStage, until } from './support/deciders-stage.ts'

let stage: DecidersStage
beforeAll(async () => {
  stage = await DecidersStage.open()
  await stage.evaluator('pe-1')
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const codeOf = async (intent: string) => {
  const reply = await stage.ask(decideRpc, { intent, approvals: [], attestations: [] })
  return reply.ok ? 'decided' : reply.code
}

describe('the policy library decides, through the real bundle', () => {
  test('a read of telemetry is allowed, and the decision is in the audit stream as it was signed', async () => {
    const { claims, request } = await stage.decided(await stage.intent())
    expect(claims).toMatchObject({ outcome: 'allow', obligations: { ttl_s: 300, max_run_s: 60 } })
    await until('it is recorded', async () =>
      (await stage.audited('policy.decided')).some(({ documents }) => documents?.[0]?.jws === request.decision),
    )
  })

  test('a restart is denied while the device’s state is unknown, and allowed from a state that is safe', async () => {
    const first = await stage.decided(await stage.intent({ action: 'restart' }))
    expect(first.claims).toMatchObject({ outcome: 'deny', reports: [] })
    const report = await stage.report('d1')
    const second = await stage.decided(await stage.intent({ action: 'restart' }))
    expect(second.claims).toMatchObject({ outcome: 'allow', reports: [digestOf(report)] })
    expect(second.request.reports).toEqual([report])
  })

  test('refuses what its agent did not sign, and what a standing revoke names, until it is lifted', async () => {
    expect(await codeOf(await stage.intent({}, ephemeralSigner()))).toBe('unknown_key')
    const lifts = await stage.control({ command: 'revoke', scope: 'agent', id: 'a1' })
    await until('the revoke is read', async () => (await codeOf(await stage.intent())) === 'revoked')
    await stage.control({ command: 'lift', lifts })
    expect(await codeOf(await stage.intent())).toBe('decided')
  })

  test('an agent that was registered a moment ago is known', async () => {
    const record = { users: ['u1'], actions: ['telemetry-read'], groups: ['hall'] }
    await stage.file('agent', 'a2', { keys: [stage.signerOf('a2').jwk], ...record })
    expect(await codeOf(await stage.intent({ iss: 'a2' }))).toBe('decided')
  })
})

describe('a new policy/active takes effect without a restart, and only the bundle that it names', () => {
  test('one that is not published, or is another one than is named, decides nothing; rollback is a new version', async () => {
    const wrong = sha256('the bundle that was agreed on')
    await stage.publish(new TextEncoder().encode('another'), wrong)
    await stage.file('policy', 'active', { bundle_sha256: wrong, revision: 'r2' })
    await until('the record is read', async () => (await codeOf(await stage.intent())) === 'unavailable')
    await stage.file('policy', 'active', { bundle_sha256: sha256('never published'), revision: 'r3' })
    expect(await codeOf(await stage.intent())).toBe('unavailable')
    await stage.file('policy', 'active', { bundle_sha256: sha256(stage.bundle), revision: 'r1' })
    await until('the record is read', async () => (await codeOf(await stage.intent())) === 'decided')
    const { claims } = await stage.decided(await stage.intent())
    expect(claims.policy).toEqual({ version: 4, bundle_sha256: sha256(stage.bundle) })
  })
})
