import { randomUUID } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openSession, type SubmittedIntent } from '@writ/agent-sdk'
import type { Bus } from '@writ/bus'
import { ensureRecord, fileRecord } from '@writ/cli'
import {
  attestationMessage,
  commandMessage,
  type Decision,
  decideRpc,
  decisionMessage,
  type Intent,
  intentMessage,
  issueRpc,
  type Plan,
  planMessage,
  TICK_FRESH_MS,
  type Token,
  tokenMessage,
} from '@writ/contracts'
import { ActionFailed } from '@writ/gateway-sdk'
import { digestOf, ephemeralSigner, openSigner, type Signer, sha256, signMessage } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { logins, refusedEverything } from './support/login-reach.ts'
import { until } from './support/outsider.ts'
import type { OutsiderGateway } from './support/outsider-gateway.ts'
import { open } from './support/outsider-jws.ts'
import { Lab, type LabGateway, USER } from './support/promises-lab.ts'
import { type StallableProxy, startProxy } from './support/stallable-proxy.ts'
import { LogCopy, TAMPERINGS } from './support/tampering.ts'

// A test for each promise of DESIGN.md on the whole running system, and each begins with somebody who breaks it: with
// stolen logins and keys, stopped processes, full streams and a cut line.

let local: LocalStack
let lab: Lab
let gateway: LabGateway
let cut: LabGateway
let proxy: StallableProxy
let raw: OutsiderGateway

/** Digest of an intent that only a thief has shown to the deciders. */
let unseen = '-'

beforeAll(async () => {
  local = await startLocalStack('promises')
  lab = await Lab.open(local)
  proxy = await startProxy({ host: '127.0.0.1', port: Number(new URL(local.stack.plane.natsUrl).port) })
  raw = await lab.rawGateway('gw-raw')
  gateway = await lab.gateway('gw-lab')
  cut = await lab.gateway('gw-cut', proxy.port)
  const attestation = { profile: 'agent-host', max_age_s: 300 }
  await lab.device('lab-1', 'gw-lab')
  await lab.device('lab-2', 'gw-lab')
  await lab.device('lab-sealed', 'gw-lab', { floors: { 'telemetry-read': { attestation } } })
  await lab.device('cut-1', 'gw-cut')
  await lab.device('raw-1', 'gw-raw')
})
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

const at = () => lab.stack.operator.subjects
const nowSeconds = (): number => Math.floor(Date.now() / 1000)
const claimsOf = <T>(compact: string): T => open(compact).claims as unknown as T
const codesOf = ({ reasons }: { reasons: readonly { code: string }[] }): string[] => reasons.map(({ code }) => code)

describe('G1: no action without a chain', () => {
  test('plans that the holder of intent-gateway’s login and anchor forges move nothing', async () => {
    const held = gateway.hold('lab-1')
    const intent = await lab.submit(['lab-1'])
    await until('it runs', () => gateway.callsOf(intent).length === 1)
    const planned = await lab.planOf('gw-lab')
    const genuine = claimsOf<Plan>(planned)
    held.release()
    expect((await lab.end(intent)).state).toBe('succeeded')
    const login = await lab.stolenLogin('intent-gateway')
    const own = await lab.stolenAnchor('intent-gateway', login)
    const stranger = { ...ephemeralSigner(), kid: open(genuine.token).kid }
    const token = claimsOf<Token>(genuine.token)
    const other = await lab.submit(['press-07'], 'firmware-update')
    const plan = (changes: Partial<Plan>, by = own) => signMessage(by, planMessage, { ...genuine, ...changes })
    const now = nowSeconds()
    const bigger = { ...token, iat: now, nbf: now, exp: now + 3600, scope: ['device:restart:lab-1'] }
    const forged: readonly (readonly [string, string])[] = [
      ['bad_signature', await plan({ exp: genuine.exp - 1 }, { ...own, kid: open(planned).kid })],
      ['wrong_role', await plan({ token: await signMessage(own, tokenMessage, bigger) })],
      ['bad_signature', await plan({ token: await signMessage(stranger, tokenMessage, bigger) })],
      ['wrong_gateway', await plan({ gateway_id: 'gw-cut' })],
      ['unknown_device', await plan({ steps: [{ step_id: 's0', device_id: 'lab-2' }] })],
      ['chain_broken', await plan({ intent: other.compact })],
      ['chain_broken', await plan({ records: genuine.records.toReversed() })],
      ['unknown_agent', await plan({ records: genuine.records.slice(1) })],
      ['chain_broken', await plan({ plan_id: `p${'A'.repeat(21)}` })],
    ]
    const calls = gateway.calls.length
    gateway.refused.length = 0
    for (const [code, body] of forged) {
      const before = gateway.refused.length
      await login.store(at().plan('gw-lab'), body, { stream: 'PLANS' })
      await until(`a forged plan is refused: ${code}`, () => gateway.refused.length > before)
    }
    await lab.plansHandled('gw-lab')
    expect([gateway.refused, gateway.calls.length]).toEqual([forged.map(([code]) => code), calls])
    expect((await lab.agent.status(intent.id))?.state).toBe('succeeded')
    await lab.agent.cancel(other)
    await lab.state(other, 'cancelled')
  })
})

describe('G2: least privilege', () => {
  test('a token holds exactly its own gateway’s scopes, keys and times, and no other gateway can redeem it', async () => {
    const intent = await lab.submit(['lab-1', 'press-07', 'lab-2'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    const listed = await until('the tokens are listed', () => lab.tokens('lab-agent'))
    const tokens = listed.filter(({ claims }) => claims.intent_digest === intent.digest)
    const { trust, control } = lab.stack.operator.authority
    await lab.stack.operator.reader.signers()
    for (const [id, devices] of [
      ['gw-lab', ['lab-1', 'lab-2']],
      ['gw-press-hall', ['press-07']],
    ] as const) {
      const token = tokens.find(({ claims }) => claims.aud === id)?.claims
      const { iat, exp, nbf, jti, plan_id, records, rev, decision_digest, groups, cnf, ...rest } = token as Token
      expect(rest).toEqual({
        iss: `writ:${REGION}`,
        sub: 'lab-agent',
        aud: id,
        scope: devices.map((device) => `device:telemetry-read:${device}`),
        intent_digest: intent.digest,
        user: USER,
        max_uses: 1,
      })
      expect([exp - iat <= 300, nbf, rev.stream]).toEqual([true, iat, control.stream])
      expect(records).toHaveLength(devices.length + 2)
      expect(groups).toEqual([id === 'gw-lab' ? 'lab' : 'press-hall'])
      expect([jti, plan_id, decision_digest].every((name) => name.length > 20)).toBe(true)
      const [, ...others] = Object.entries(cnf)
      expect([trust.keyHolder(cnf.jkt), others]).toMatchObject([{ kind: 'gateway', id }, []])
    }
    expect(tokens).toHaveLength(2)
    for (const { compact, claims } of tokens) {
      const use_id = `${claims.plan_id}/s0/1`
      const redeem = { plan: open(compact), token: open(compact) }
      const stolen = await raw.redeemOf(redeem, 's0', { use_id })
      expect((await raw.redeem(stolen)).code).toMatch(/^(wrong_gateway|token_spent)$/)
      const fresh = await raw.redeemOf(redeem, 's0', { use_id: `${claims.plan_id}/s9/1` })
      expect(await raw.redeem(fresh)).toEqual({ code: 'wrong_gateway' })
    }
  })
})

describe('G3: no single service can forge authority', () => {
  test('token-issuer mints nothing on the word of somebody who has taken over policy-evaluator and intent-gateway’s login', async () => {
    const asIntake = await lab.stolenLogin('intent-gateway')
    const evaluator = await lab.stolenAnchor('policy-evaluator', await lab.stolenLogin('policy-evaluator'))
    const { signer } = await agentKey()
    const iat = nowSeconds()
    const intent = (changes: Partial<Intent>) =>
      signMessage(signer, intentMessage, {
        ...{ iss: 'lab-agent', aud: `writ:${REGION}`, iat, exp: iat + 300, jti: randomUUID(), on_behalf_of: USER },
        ...{ action: 'telemetry-read', targets: ['lab-1'], purpose: 'Nobody will see this.' },
        ...changes,
      })
    const decided = async (body: string) => {
      const reply = await lab.rpc(asIntake, decideRpc, { intent: body, approvals: [], attestations: [] })
      return { decision: String(reply['decision']), reports: reply['reports'] as string[] }
    }
    const issue = (body: string, decision: string, reports: string[] = []) => {
      const rest = { earlier: [], approvals: [], attestations: [], reports }
      return lab.rpc(asIntake, issueRpc, { gateway_id: 'gw-lab', intent: body, decision, ...rest })
    }
    const forged = async (decision: string, changes: Partial<Decision>) =>
      signMessage(evaluator, decisionMessage, { ...claimsOf<Decision>(decision), ...changes } as Decision)
    const good = await intent({})
    const { decision } = await decided(good)
    const { obligations } = claimsOf<Decision>(decision)
    const update = await intent({ action: 'firmware-update', params: { version: '9.9.9' } })
    const denied = await decided(update)
    expect(claimsOf<Decision>(denied.decision).outcome).toBe('deny')
    const attempts: readonly (readonly [string, string])[] = [
      [update, await forged(denied.decision, { outcome: 'allow', reasons: [] })],
      [update, await forged(decision, { intent_digest: digestOf(update) })],
      [good, await forged(decision, { obligations: { ...obligations, ttl_s: 3600 } })],
      [good, await forged(decision, { obligations: { ...obligations, max_uses: 9 } })],
      [good, await forged(decision, { policy: { version: 1, bundle_sha256: sha256('another policy') } })],
      [good, await forged(decision, { input_sha256: sha256('another world') })],
      [good, await forged(decision, { records: claimsOf<Decision>(decision).records.slice(1) })],
      [await intent({ targets: ['lab-sealed'] }), await forged(decision, {})],
    ]
    for (const [body, word] of attempts) expect(await issue(body, word)).toMatchObject({ ok: false })
    const tokens = (await lab.tokens('lab-agent')) ?? []
    for (const [body] of attempts)
      expect(tokens.filter(({ claims }) => claims.intent_digest === digestOf(body))).toEqual([])
    // The way itself is open: what both deciders allow is minted, and the log shows a token whose intent nobody has taken in.
    unseen = digestOf(good)
    expect(await issue(good, decision)).toMatchObject({ ok: true })
  })

  async function agentKey() {
    return { signer: await openSigner(`file:${join(lab.stack.paths.identity('agent', 'lab-agent'), 'key.jwk')}`) }
  }
})

describe('G4: audit before effect', () => {
  test('with AUDIT full no plan goes out and no redeem is answered yes; a revoke works all the same', async () => {
    const before = await lab.submit(['raw-1'])
    const taken = await raw.take()
    const redeem = await raw.redeemOf(taken, 's0')
    const waiting = await lab.whileFull('AUDIT', async () => {
      const intent = await lab.submit(['lab-1'])
      expect(await raw.redeem(redeem)).toEqual({ code: 'unavailable' })
      const revoked = await lab.revoke('device', 'lab-2')
      await until('the gateway has applied it', () => (gateway.gateway.status().control?.seq ?? 0) >= revoked)
      expect(['accepted', 'approved']).toContain((await lab.state(intent)).state)
      expect(gateway.callsOf(intent)).toEqual([])
      await expect(lab.planOf('gw-lab')).rejects.toThrow('no plan')
      return { ...intent, revoked }
    })
    expect((await lab.end(waiting)).state).toBe('succeeded')
    await until('the same redeem is granted', async () => (await raw.redeem(redeem)).use === 1)
    const reason = { code: 'too_late', message: 'It took too long.' }
    await raw.outcome(taken, { step_id: 's0', device_id: 'raw-1' }, 'refused', { reason })
    await taken.message.ackAck()
    expect((await lab.end(before)).state).toBe('failed')
    await lab.lift(waiting.revoked, 'lab-2')
  })
})

describe('G5: nothing lost', () => {
  test('what happens while audit-sink is dead is in the log when it is back', async () => {
    lab.kill('audit-sink')
    const intent = await lab.submit(['lab-1'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    await lab.logged(intent, 'intent.accepted', 'policy.decided', 'token.issued', 'plan.dispatched')
    await lab.logged(intent, 'token.redeemed', 'action.started', 'action.succeeded')
  })
})

describe('G6: evidence is complete, not only intact', () => {
  test('a copy of the bucket verifies with pins alone, and each thing done to one has a name', async () => {
    const { paths, plane } = lab.stack
    const audited = await lab.submit(['lab-1'])
    await lab.end(audited)
    await lab.logged(audited, 'action.succeeded')
    const copy = async (name: string) => {
      await mkdir(join(local.home, 'copies', name), { recursive: true })
      return LogCopy.of(paths.store, join(local.home, 'copies', name), plane.logName)
    }
    const intact = await verified((await copy('intact')).dir)
    expect([intact.code, intact.json['findings']]).toEqual([0, []])
    expect(Number(intact.json['effects'])).toBeGreaterThan(10)
    for (const { name, verdict, apply } of TAMPERINGS) {
      const tampered = await copy(verdict)
      await apply(tampered)
      const { code, json } = await verified(tampered.dir)
      const verdicts = (json['findings'] as { verdict: string }[]).map((finding) => finding.verdict)
      expect([name, code, verdicts]).toEqual([name, 6, expect.arrayContaining([verdict])])
    }
  })
})

function verified(dir: string) {
  const trust = join(lab.stack.paths.identity('agent', 'lab-agent'), 'enrolment.json')
  return local.writ(['audit', 'verify', dir, '--trust', trust, '--vkey', lab.stack.plane.logVkey], { fails: true })
}

describe('G7: authority can be withdrawn, with a bound', () => {
  test.each(['agent', 'user', 'device', 'gateway', 'group', 'token', 'intent', 'key', 'all'] as const)(
    'a running action is told to abort when a revoke names its %s, and its outcome says why',
    async (scope) => {
      const held = gateway.hold('lab-1')
      const intent = await lab.submit(['lab-1'])
      await until('it runs', () => gateway.callsOf(intent).length === 1)
      const { token } = claimsOf<Plan>(await lab.planOf('gw-lab'))
      const ids = { agent: 'lab-agent', user: USER, device: 'lab-1', gateway: 'gw-lab', group: 'lab', all: '' }
      const id = { ...ids, token: claimsOf<Token>(token).jti, intent: intent.digest, key: open(intent.compact).kid }[
        scope
      ]
      await lab.withdrawn(scope, id, 'lab-1', async () => {
        const recordedMs = performance.now()
        await until('it is told to abort', () => gateway.callsOf(intent)[0]?.signal.aborted)
        const tookMs = performance.now() - recordedMs
        const { status, outcomes } = await intent.done(AbortSignal.timeout(20_000))
        expect(outcomes.map(({ state, reason }) => [state, reason?.code])).toEqual([['aborted', 'revoked']])
        expect([status.state, tookMs < 2000]).toEqual(['failed', true])
        held.release()
        if (scope === 'token' || scope === 'intent' || scope === 'key') return
        const refused = await lab.end(await lab.submit(['lab-1']))
        expect([refused.state, codesOf(refused)]).toEqual(['denied', ['revoked']])
        expect(gateway.callsOf({ digest: refused.intent_digest })).toEqual([])
      })
    },
  )

  test('a redeem that a stopped token-issuer finds when it goes on is refused: it trusts no old knowledge', async () => {
    const intent = await lab.submit(['raw-1'])
    const taken = await raw.take()
    const issuer = lab.pause('token-issuer')
    const stoppedMs = performance.now()
    const answer = raw.redeem(await raw.redeemOf(taken, 's0'), 20_000)
    await lab.withdrawn('agent', 'lab-agent', 'lab-1', async () => {
      await until('its last tick is too old', () => performance.now() - stoppedMs > TICK_FRESH_MS).finally(
        issuer.resume,
      )
      expect((await answer).use).toBeUndefined()
      const second = await until('token-issuer knows it', async () => {
        const { code, use } = await raw.redeem(await raw.redeemOf(taken, 's0'))
        return code === 'unavailable' ? undefined : { code, use }
      })
      expect(second).toEqual({ code: 'revoked' })
      await lab.state(intent, 'revoked')
      await taken.message.ackAck()
    })
    // Lifting revives no older token.
    expect(await raw.redeem(await raw.redeemOf(taken, 's0'))).toEqual({ code: 'revoked' })
  })

  test('a gateway that is cut off begins nothing, though the yes to its redeem is on its way', async () => {
    const stalled = proxy.stallAfter('redeem.gw-cut')
    const intent = await lab.submit(['cut-1'])
    await stalled
    await lab.withdrawn('device', 'cut-1', 'cut-1', async () => {
      await until('the cut-off gateway has given up', () => cut.gateway.status().outcomesWaiting > 0, 5000)
      expect(cut.calls).toEqual([])
      proxy.resume()
      expect(['failed', 'revoked']).toContain((await lab.end(intent)).state)
      await lab.plansHandled('gw-cut')
      expect(cut.calls).toEqual([])
    })
  })

  test('a role’s endorsements are withdrawn at once, and the role goes on with a new key', async () => {
    const seq = await lab.revoke('endorsements', 'policy-evaluator')
    await until('the gateway has applied it', () => (gateway.gateway.status().control?.seq ?? 0) >= seq)
    const intent = await lab.submit(['lab-1'])
    await lab.state(intent, 'accepted')
    expect(gateway.callsOf(intent)).toEqual([])
    lab.kill('policy-evaluator')
    expect((await lab.end(intent)).state).toBe('succeeded')
    expect((await lab.end(await lab.submit(['lab-1']))).state).toBe('succeeded')
  })
})

describe('G8: fail closed', () => {
  test('a bundle that is not the one that policy/active names decides nothing, until the operator rolls back', async () => {
    const { operator } = lab.stack
    const asIntake = await lab.stolenLogin('intent-gateway')
    await operator.reader.signers()
    const record = operator.authority.trust.record('policy', 'active')
    if (record === undefined) throw new Error('a policy is active')
    const named = sha256('what the operator meant')
    await operator.bus.store(at().bundle(named), 'what somebody else published', { stream: 'POLICIES' })
    const wrong = { bundle_sha256: named, revision: 'wrong' }
    const filing = { kind: 'policy', id: 'active', reason: 'A promise is tested.' } as const
    await fileRecord(operator, { ...filing, record: wrong, version: record.version + 1 })
    const undecided = (intent: SubmittedIntent) =>
      until('policy-evaluator cannot say', async () => {
        const request = { intent: intent.compact, approvals: [], attestations: [] }
        const { ok, code } = await lab.rpc(asIntake, decideRpc, request)
        return !ok && code === 'unavailable'
      })
    await undecided(await lab.submit(['lab-1']))
    const intent = await lab.submit(['lab-2'])
    await lab.state(intent, 'accepted')
    await undecided(intent)
    expect([gateway.callsOf(intent), (await lab.agent.status(intent.id))?.state]).toEqual([[], 'accepted'])
    await ensureRecord(operator, { ...filing, record: record.record })
    expect((await lab.end(intent)).state).toBe('succeeded')
  })

  test('an intent that nobody could decide about in time ends expired, and is not decided later', async () => {
    const evaluator = lab.pause('policy-evaluator')
    const request = { action: 'telemetry-read', targets: ['lab-1'], onBehalfOf: USER, purpose: 'Soon or never.' }
    const intent = await lab.agent.submit({ ...request, lifetimeSeconds: 2 })
    const status = await lab.end(intent).finally(evaluator.resume)
    expect([status.state, codesOf(status)]).toEqual(['expired', ['expired']])
    expect((await lab.end(await lab.submit(['lab-1']))).state).toBe('succeeded')
    expect([gateway.callsOf(intent), (await lab.agent.status(intent.id))?.state]).toEqual([[], 'expired'])
  })
})

describe('G9: residency is checked', () => {
  test('a device of another jurisdiction is refused, also when its record came past intent-gateway', async () => {
    const { operator } = lab.stack
    const iat = nowSeconds()
    const far = await signMessage(operator.signer, commandMessage, {
      ...{ iss: operator.id, aud: `writ:${REGION}`, iat, exp: iat + 60, jti: randomUUID(), reason: 'Far away.' },
      ...{ kind: 'device', id: 'lab-far', version: 1 },
      record: { gateway_id: 'gw-lab', group: 'lab', jurisdiction: 'us-east-1', actions: ['telemetry-read'] },
    })
    const login = await lab.stolenLogin('intent-gateway')
    await login.store(at().registry('device', 'lab-far'), far, { stream: 'REGISTRY' })
    const intent = await lab.submit(['lab-far'])
    const status = await lab.end(intent)
    expect([status.state, codesOf(status)]).toEqual(['denied', ['wrong_jurisdiction']])
    expect(gateway.callsOf(intent)).toEqual([])
  })

  test('everything in the store lies under the plane’s own region', async () => {
    const { paths, plane } = lab.stack
    const found = (await readdir(paths.store, { recursive: true, withFileTypes: true }))
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name).slice(paths.store.length + 1))
    const own = `writ.local/${REGION}/`
    expect([found.length > 0, plane.logName.startsWith(own)]).toEqual([true, true])
    expect(found.filter((name) => !name.replace(/^\.versions\//, '').startsWith(own) && !name.startsWith('.'))).toEqual(
      [],
    )
  })
})

describe('G10: privileged actions need fresh attestation', () => {
  let login: Bus
  let verifier: Signer
  /** attestation-verifier is played with its anchor and its login: the local stack has none yet. */
  async function attest(agentKid: string, changes: object = {}, by: Signer = verifier): Promise<void> {
    const iat = nowSeconds()
    const body = await signMessage(by, attestationMessage, {
      ...{ iss: 'attestation-verifier', aud: `writ:${REGION}`, iat, exp: iat + 300, request: sha256('asked') },
      ...{ sub: 'agent/lab-agent', cnf: { jkt: agentKid }, profile: 'agent-host' },
      ...{ evidence_sha256: sha256('evidence'), policy_sha256: sha256('policy') },
      submods: { host: { 'ear.status': 'affirming' } },
      ...changes,
    })
    await login.store(at().attestation('agent', 'lab-agent'), body, { stream: 'ATTESTATIONS' })
  }

  beforeAll(async () => {
    login = await lab.stolenLogin('attestation-verifier')
    verifier = await lab.stolenAnchor('attestation-verifier', login)
  })

  test('an intent waits for a result about its own key, believes no forged one, and goes on with a good one', async () => {
    const intent = await lab.submit(['lab-sealed'])
    const { kid } = open(intent.compact)
    const waiting = await lab.state(intent, 'needs_attestation')
    expect(waiting.attestation).toMatchObject({ profile: 'agent-host', max_age_s: 300 })
    await attest(kid, {}, ephemeralSigner())
    await attest(sha256('another key'))
    await attest(kid, { submods: { host: { 'ear.status': 'warning' } } })
    await attest(kid, { iat: nowSeconds() - 400, exp: nowSeconds() + 100 })
    // What is stored after them is read after them.
    const other = await lab.end(await lab.submit(['lab-1']))
    expect([other.state, gateway.callsOf(intent)]).toEqual(['succeeded', []])
    expect(['accepted', 'needs_attestation']).toContain((await lab.agent.status(intent.id))?.state)
    await attest(kid)
    expect((await lab.end(intent)).state).toBe('succeeded')
    expect(gateway.callsOf(intent)).toHaveLength(1)
  })

  test('a firmware update runs only when two people approved what they saw and the host is attested', async () => {
    await attest(sha256('another key'))
    const intent = await lab.submit(['press-07'], 'firmware-update')
    const { approval, steps } = await lab.state(intent, 'needs_approval')
    expect(approval).toMatchObject({ needed: 2, given: 0, roles: ['plant-manager', 'safety-officer'] })
    expect(steps.map(({ state }) => state)).toEqual(['waiting'])
    const [marta, samir] = [await lab.approver('marta'), await lab.approver('samir')]
    const shown = await marta.pending(intent.digest)
    expect(shown.intent).toBe(intent.compact)
    const decision = digestOf(shown.decision)
    expect(await marta.say(intent.digest, sha256('another'), 'approve')).toMatchObject({ code: 'chain_broken' })
    expect(await marta.say(intent.digest, decision, 'approve')).toMatchObject({ ok: true })
    expect(await marta.say(intent.digest, decision, 'approve')).toMatchObject({ ok: true })
    expect((await lab.state(intent, 'needs_approval')).approval).toMatchObject({ needed: 2, given: 1 })
    expect(await samir.say(intent.digest, decision, 'approve')).toMatchObject({ ok: true })
    await lab.state(intent, 'needs_attestation')
    await attest(open(intent.compact).kid)
    const { status, outcomes } = await intent.done(AbortSignal.timeout(30_000))
    expect([status.state, outcomes[0]?.result?.['firmware']]).toEqual(['succeeded', '2.5.0'])
  })

  test('one approver who rejects ends it, and what waits for people can be cancelled', async () => {
    const floors = { 'telemetry-read': { approvals: { count: 1, roles: ['plant-manager'] } } }
    await lab.device('lab-people', 'gw-lab', { floors })
    const [rejected, cancelled] = [await lab.submit(['lab-people']), await lab.submit(['lab-people'])]
    await lab.state(rejected, 'needs_approval')
    await lab.state(cancelled, 'needs_approval')
    const [marta, samir] = [await lab.approver('marta'), await lab.approver('samir')]
    const decision = digestOf((await marta.pending(rejected.digest)).decision)
    expect(await samir.say(rejected.digest, decision, 'reject')).toMatchObject({ code: 'not_an_approver' })
    expect(await marta.say(rejected.digest, decision, 'reject')).toMatchObject({ ok: true })
    const status = await lab.end(rejected)
    expect([status.state, codesOf(status)]).toEqual(['denied', ['approval_rejected']])
    await lab.agent.cancel(cancelled)
    expect((await lab.end(cancelled)).state).toBe('cancelled')
    expect([...gateway.callsOf(rejected), ...gateway.callsOf(cancelled)]).toEqual([])
  })
})

describe('G11: nobody reaches further than their subjects', () => {
  test('with the credentials files of the running stack no one publishes or hears what is another’s', async () => {
    for (const each of logins(lab.stack)) await refusedEverything(lab.stack, each)
  })
})

describe('G12: at most one effect, and never a guess', () => {
  test('the same intent twenty times at once is carried out once', async () => {
    const first = await lab.submit(['lab-1'])
    const again = await openSession({ enrolment: lab.stack.paths.identity('agent', 'lab-agent') })
    const subject = at().intent('lab-agent')
    const twenty = Array.from({ length: 20 }, () => again.bus.store(subject, first.compact, { stream: 'INTENTS' }))
    await Promise.all(twenty).finally(() => again[Symbol.asyncDispose]())
    expect((await lab.end(first)).state).toBe('succeeded')
    await until('INTENTS is empty', async () => (await lab.jsm.streams.info('INTENTS')).state.messages === 0)
    await lab.plansHandled('gw-lab')
    expect(gateway.callsOf(first)).toHaveLength(1)
    const tokens = (await lab.tokens('lab-agent')) ?? []
    expect(tokens.filter(({ claims }) => claims.intent_digest === first.digest)).toHaveLength(1)
  })

  test('of a cancel and a redeem one wins, and the status says which', async () => {
    const ends = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const intent = await lab.submit(['lab-1'])
        await lab.agent.cancel(intent)
        return { intent, state: (await lab.end(intent)).state }
      }),
    )
    await lab.plansHandled('gw-lab')
    for (const { intent, state } of ends) {
      expect(['cancelled', 'succeeded']).toContain(state)
      expect(gateway.callsOf(intent)).toHaveLength(state === 'succeeded' ? 1 : 0)
    }
  })

  test('Redis emptied in the middle changes nothing: no second use, and every token is listed again', async () => {
    const intent = await lab.submit(['raw-1'])
    const taken = await raw.take()
    const redeem = await raw.redeemOf(taken, 's0')
    expect(await raw.redeem(redeem)).toEqual({ use: 1 })
    await lab.emptyRedis()
    expect(await raw.redeem(await raw.redeemOf(taken, 's0'))).toEqual({ code: 'token_spent' })
    expect(await raw.redeem(redeem)).toEqual({ use: 1 })
    const during = await lab.submit(['lab-1'])
    expect((await lab.end(during)).state).toBe('succeeded')
    await raw.outcome(taken, { step_id: 's0', device_id: 'raw-1' }, 'succeeded', { result: {} })
    await taken.message.ackAck()
    expect((await lab.end(intent)).state).toBe('succeeded')
    await until('both tokens are listed', async () => {
      const listed = (await lab.tokens('lab-agent'))?.map(({ claims }) => claims.intent_digest) ?? []
      return listed.includes(intent.digest) && listed.includes(during.digest)
    })
  })

  test('one device that fails beside one that does not is partial; another gateway’s word about them is nothing', async () => {
    gateway.behave.set('lab-2', () => Promise.reject(new ActionFailed('It is stuck.')))
    const held = gateway.hold('lab-1')
    const intent = await lab.submit(['lab-1', 'lab-2'])
    await until('it runs', () => gateway.callsOf(intent).length === 1)
    const plan = open(await lab.planOf('gw-lab'))
    const about = { plan, token: open(String(plan.claims['token'])), intent: open(intent.compact) }
    const refusals = () => local.counter('intent-gateway', 'writ_refusals_total', 'wrong_gateway')
    const before = await refusals()
    await raw.outcome(about, { step_id: 's0', device_id: 'lab-1' }, 'succeeded', { result: {} })
    await until('it is refused', async () => (await refusals()) > before)
    expect((await lab.agent.status(intent.id))?.state).toBe('executing')
    held.release()
    const { status, outcomes } = await intent.done(AbortSignal.timeout(20_000))
    gateway.behave.delete('lab-2')
    const said = outcomes.map(({ iss, state }) => `${iss} ${state}`)
    expect([status.state, ...said]).toEqual(['partial', 'gw-lab succeeded', 'gw-lab failed'])
  })
})

describe('after all that', () => {
  test('nothing but what was killed has ended, and the log shows who acted without a chain of their own', async () => {
    const ended = local.said.flatMap((line) => /^(\S+) ended by itself/.exec(line)?.[1] ?? [])
    expect(ended.sort()).toEqual(['audit-sink', 'policy-evaluator'])
    // Whoever signed attestation results with the stolen anchor has said nothing in the log: each result is found out.
    const { code, json } = await verified(lab.stack.paths.store)
    const all = json['findings'] as { verdict: string; message: string }[]
    // The token of an intent that intent-gateway never saw is found out too, once nothing more is on its way.
    const findings = all.filter(({ verdict, message }) => !(verdict === 'evidence_missing' && message.includes(unseen)))
    const about = findings.map(({ verdict, message }) => `${verdict} ${/writ-[a-z]+\+jwt/.exec(message)?.[0]}`)
    expect([code, [...new Set(about)]]).toEqual([6, ['document_invalid writ-attestation+jwt']])
  })
})
