import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { openSession } from '@writ/agent-sdk'
import { entriesAbout } from '@writ/audit'
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
import { digestOf, ephemeralSigner, openSigner, sha256, signMessage } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
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
const callsOf = (intent: { digest: string }) =>
  gateway.calls.filter(({ intentDigest }) => intentDigest === intent.digest)
const codesOf = ({ reasons }: { reasons: readonly { code: string }[] }): string[] => reasons.map(({ code }) => code)

/** An action that runs until the test lets it go, or its signal aborts. */
function hold(deviceId: string): { readonly release: () => void } {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  gateway.behave.set(deviceId, async ({ signal }) => {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )
    await Promise.race([released, aborted])
    return { done: 'held' }
  })
  return {
    release: () => {
      gateway.behave.delete(deviceId)
      release()
    },
  }
}

function pause(name: string): { readonly resume: () => void } {
  const pid = lab.stack.pidOf(name)
  if (pid === undefined) throw new Error(`${name} does not run`)
  process.kill(pid, 'SIGSTOP')
  return { resume: () => process.kill(pid, 'SIGCONT') }
}

describe('G1: no action without a chain', () => {
  test('plans that the holder of intent-gateway’s login and anchor forges move nothing', async () => {
    const held = hold('lab-1')
    const intent = await lab.submit(['lab-1'])
    await until('it runs', () => callsOf(intent).length === 1)
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
      ['expired', await plan({ iat: now, exp: now })],
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
    const tokens = (await lab.tokens('lab-agent'))?.filter(({ claims }) => claims.intent_digest === intent.digest) ?? []
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
    // The way itself is open: what both deciders allow is minted.
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
    const { max_bytes } = (await lab.jsm.streams.info('AUDIT')).config
    await lab.jsm.streams.update('AUDIT', { max_bytes: 1 })
    const redeem = await raw.redeemOf(taken, 's0')
    const waiting = await lab.submit(['lab-1'])
    expect(await raw.redeem(redeem)).toEqual({ code: 'unavailable' })
    const revoked = await lab.revoke('device', 'lab-2')
    await until('the gateway has applied it', () => (gateway.gateway.status().control?.seq ?? 0) >= revoked)
    const status = await lab.agent.status(waiting.id)
    expect([callsOf(waiting), status?.state === 'executing']).toEqual([[], false])
    await expect(lab.planOf('gw-lab')).rejects.toThrow()
    await lab.jsm.streams.update('AUDIT', { max_bytes })
    expect((await lab.end(waiting)).state).toBe('succeeded')
    await until('the same redeem is granted', async () => (await raw.redeem(redeem)).use === 1)
    await raw.outcome(taken, { step_id: 's0', device_id: 'raw-1' }, 'refused', {
      reason: { code: 'too_late', message: 'It took too long.' },
    })
    await taken.message.ackAck()
    expect((await lab.end(before)).state).toBe('failed')
    await lab.lift(revoked, 'lab-2')
  })
})

describe('G5: nothing lost', () => {
  test('what happens while audit-sink is dead is in the log when it is back', async () => {
    const pid = lab.stack.pidOf('audit-sink')
    if (pid === undefined) throw new Error('audit-sink runs')
    process.kill(pid, 'SIGKILL')
    const intent = await lab.submit(['lab-1'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    await untilLogged(intent.digest, ['intent.accepted', 'policy.decided', 'token.issued', 'plan.dispatched'])
    await untilLogged(intent.digest, ['token.redeemed', 'action.started', 'action.succeeded'])
  })
})

function untilLogged(intentDigest: string, wanted: readonly string[]): Promise<boolean> {
  return until(`the log has ${wanted.join(', ')}`, async () => {
    const entries = await entriesAbout(lab.stack.paths.store, lab.stack.plane.logName, intentDigest)
    const types = entries.flatMap((entry) => entry.types)
    return wanted.every((type) => types.includes(type))
  })
}

describe('G6: evidence is complete, not only intact', () => {
  test('a copy of the bucket verifies with pins alone, and each thing done to one has a name', async () => {
    const { paths, plane } = lab.stack
    const audited = await lab.submit(['lab-1'])
    await lab.end(audited)
    await untilLogged(audited.digest, ['action.succeeded'])
    const verify = (dir: string) => {
      const trust = join(paths.identity('agent', 'lab-agent'), 'enrolment.json')
      return local.writ(['audit', 'verify', dir, '--trust', trust, '--vkey', plane.logVkey], { fails: true })
    }
    const copy = async (name: string) => {
      await mkdir(join(local.home, 'copies', name), { recursive: true })
      return LogCopy.of(paths.store, join(local.home, 'copies', name), plane.logName)
    }
    const intact = await verify((await copy('intact')).dir)
    expect([intact.code, intact.json['findings']]).toEqual([0, []])
    expect(Number(intact.json['effects'])).toBeGreaterThan(10)
    for (const { name, verdict, apply } of TAMPERINGS) {
      const tampered = await copy(verdict)
      await apply(tampered)
      const { code, json } = await verify(tampered.dir)
      const verdicts = (json['findings'] as { verdict: string }[]).map((finding) => finding.verdict)
      expect([name, code, verdicts]).toEqual([name, 6, expect.arrayContaining([verdict])])
    }
  })
})

describe('G7: authority can be withdrawn, with a bound', () => {
  test('a running action is told to abort when its agent is revoked, and its outcome says why', async () => {
    hold('lab-1')
    const intent = await lab.submit(['lab-1'])
    await until('it runs', () => callsOf(intent).length === 1)
    const revoked = await lab.revoke('agent', 'lab-agent')
    const recordedMs = performance.now()
    await until('it is told to abort', () => callsOf(intent)[0]?.signal.aborted)
    const tookMs = performance.now() - recordedMs
    const { status, outcomes } = await intent.done(AbortSignal.timeout(20_000))
    expect(outcomes.map(({ state, reason }) => [state, reason?.code])).toEqual([['aborted', 'revoked']])
    expect([status.state, tookMs < 2000]).toEqual(['failed', true])
    const refused = await lab.end(await lab.submit(['lab-2']))
    expect([refused.state, codesOf(refused)]).toEqual(['denied', ['revoked']])
    gateway.behave.delete('lab-1')
    await lab.lift(revoked, 'lab-1')
  })

  test('a redeem that a stopped token-issuer finds when it goes on is refused: it trusts no old knowledge', async () => {
    const intent = await lab.submit(['raw-1'])
    const taken = await raw.take()
    const issuer = pause('token-issuer')
    const stoppedMs = performance.now()
    const answer = raw.redeem(await raw.redeemOf(taken, 's0'), 20_000)
    const revoked = await lab.revoke('agent', 'lab-agent')
    await until('its last tick is too old', () => performance.now() - stoppedMs > TICK_FRESH_MS).finally(issuer.resume)
    expect((await answer).use).toBeUndefined()
    const second = await until('token-issuer knows it', async () => {
      const { code, use } = await raw.redeem(await raw.redeemOf(taken, 's0'))
      return code === 'unavailable' ? undefined : { code, use }
    })
    expect(second).toEqual({ code: 'revoked' })
    await lab.state(intent, 'revoked')
    await taken.message.ackAck()
    await lab.lift(revoked, 'lab-1')
  })

  test('a gateway that is cut off begins nothing, though the yes to its redeem is on its way', async () => {
    const stalled = proxy.stallAfter('redeem.gw-cut')
    const intent = await lab.submit(['cut-1'])
    await stalled
    const revoked = await lab.revoke('device', 'cut-1')
    await until('the cut-off gateway has given up', () => cut.gateway.status().outcomesWaiting > 0, 5000)
    expect(cut.calls).toEqual([])
    proxy.resume()
    const status = await lab.end(intent)
    expect([cut.calls, ['failed', 'revoked'].includes(status.state)]).toEqual([[], true])
    await lab.plansHandled('gw-cut')
    expect(cut.calls).toEqual([])
    await lab.lift(revoked, 'cut-1')
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
    const probe = await lab.submit(['lab-1'])
    await until('policy-evaluator decides nothing', async () => {
      const request = { intent: probe.compact, approvals: [], attestations: [] }
      return !(await lab.rpc(asIntake, decideRpc, request)).ok
    })
    const intent = await lab.submit(['lab-2'])
    await lab.state(intent, 'accepted')
    await until('it was asked and could not say', async () => {
      const { ok, code } = await lab.rpc(asIntake, decideRpc, {
        intent: intent.compact,
        approvals: [],
        attestations: [],
      })
      return !ok && code === 'unavailable'
    })
    expect([callsOf(intent), (await lab.agent.status(intent.id))?.state]).toEqual([[], 'accepted'])
    await ensureRecord(operator, { ...filing, record: record.record })
    expect((await lab.end(intent)).state).toBe('succeeded')
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
    expect(callsOf(intent)).toEqual([])
  })

  test('everything in the store lies under the plane’s own region', async () => {
    const { paths, plane } = lab.stack
    const found = (await readdir(paths.store, { recursive: true, withFileTypes: true }))
      .filter((item) => item.isFile())
      .map((item) => join(item.parentPath, item.name).slice(paths.store.length + 1))
    expect(found.length).toBeGreaterThan(0)
    const own = `writ.local/${REGION}/`
    expect(plane.logName.startsWith(own)).toBe(true)
    expect(found.filter((name) => !name.replace(/^\.versions\//, '').startsWith(own) && !name.startsWith('.'))).toEqual(
      [],
    )
  })
})

describe('G10: privileged actions need fresh attestation', () => {
  test('an intent waits for a result about the key that signed it, believes no forged one, and goes on with a good one', async () => {
    const login = await lab.stolenLogin('attestation-verifier')
    const genuine = await lab.stolenAnchor('attestation-verifier', login)
    const { agent } = lab
    const agentKid = open((await lab.submit(['lab-1'])).compact).kid
    const result = async (by: ReturnType<typeof ephemeralSigner>, changes: object) => {
      const iat = nowSeconds()
      const claims = {
        ...{ iss: 'attestation-verifier', aud: `writ:${REGION}`, iat, exp: iat + 300, request: sha256('asked') },
        ...{ sub: 'agent/lab-agent', cnf: { jkt: agentKid }, profile: 'agent-host' },
        ...{ evidence_sha256: sha256('evidence'), policy_sha256: sha256('policy') },
        submods: { host: { 'ear.status': 'affirming' } },
        ...changes,
      }
      const body = await signMessage(by, attestationMessage, claims)
      await login.store(at().attestation('agent', 'lab-agent'), body, { stream: 'ATTESTATIONS' })
    }
    const intent = await lab.submit(['lab-sealed'])
    const waiting = await lab.state(intent, 'needs_attestation')
    expect(waiting.attestation).toMatchObject({ profile: 'agent-host', max_age_s: 300 })
    await result(ephemeralSigner(), {})
    await result(genuine, { cnf: { jkt: sha256('another key') } })
    await result(genuine, { submods: { host: { 'ear.status': 'warning' } } })
    await result(genuine, { iat: nowSeconds() - 400, exp: nowSeconds() + 100 })
    // What is stored after them is read after them.
    const other = await lab.end(await lab.submit(['lab-1']))
    expect([other.state, callsOf(intent)]).toEqual(['succeeded', []])
    expect((await agent.status(intent.id))?.state).toBe('needs_attestation')
    await result(genuine, {})
    expect((await lab.end(intent)).state).toBe('succeeded')
    expect(callsOf(intent)).toHaveLength(1)
  })

  test('a firmware update waits for people, and what waits can be cancelled', async () => {
    const intent = await lab.submit(['press-07'], 'firmware-update')
    const { approval, steps } = await lab.state(intent, 'needs_approval')
    expect(approval).toMatchObject({ needed: 2, given: 0, roles: ['plant-manager', 'safety-officer'] })
    expect(steps.map(({ state }) => state)).toEqual(['waiting'])
    await lab.agent.cancel(intent)
    expect((await lab.end(intent)).state).toBe('cancelled')
  })
})

describe('G11: nobody reaches further than their subjects', () => {
  test('with the credentials files of the running stack no one publishes or hears what is another’s', async () => {
    const { paths, plane } = lab.stack
    const p = `writ.v1.${REGION}.`
    const everyones = [
      '$JS.API.STREAM.DELETE.CONTROL',
      '$JS.API.STREAM.PURGE.INTENTS',
      '$JS.API.STREAM.CREATE.X',
      '$KV.subject-keys.x',
    ]
    const cases = [
      [
        paths.identity('agent', 'lab-agent'),
        'agent_lab-agent',
        ['intent.maintenance', 'plan.gw-lab', 'registry.agent.x', 'status.lab-agent.x', 'control.root'],
        ['status.maintenance.>', 'intent.>', 'stored.>'],
      ],
      [
        paths.identity('gateway', 'gw-lab'),
        'gateway_gw-lab',
        [
          'redeem.gw-raw',
          'outcome.gw-raw',
          'plan.gw-lab',
          'intent.lab-agent',
          'control.root',
          'audit.token-issuer.0.x',
        ],
        ['status.>', 'act.gw-raw.*'],
      ],
      [
        paths.service('policy-evaluator', '0'),
        'policy-evaluator_0',
        ['plan.gw-lab', 'registry.agent.x', 'status.a.b', 'control.root', 'rpc.token.issue', 'audit.token-issuer.0.x'],
        ['redeem.>', 'rpc.token.issue'],
      ],
      [
        paths.service('token-issuer', '0'),
        'token-issuer_0',
        ['plan.gw-lab', 'registry.device.x', 'control.root', 'bundle.x', 'outcome.gw-lab'],
        ['command.>', 'rpc.policy.decide'],
      ],
      [
        paths.service('audit-sink', '0'),
        'audit-sink_0',
        ['plan.gw-lab', 'registry.device.x', 'control.root', 'status.a.b'],
        ['redeem.>', 'command.>'],
      ],
    ] as const
    for (const [folder, name, publish, subscribe] of cases) {
      const creds = await readFile(join(folder, 'nats.creds'))
      const nc = await connect({
        servers: plane.natsUrl,
        authenticator: credsAuthenticator(creds),
        inboxPrefix: `_INBOX_${name}`,
      })
      const refused = new Set<string>()
      void (async () => {
        for await (const status of nc.status())
          if (status.type === 'error') refused.add((status.error as Error & { subject?: string }).subject ?? '')
      })()
      const wanted = [...publish.map((tail) => p + tail), ...everyones, ...subscribe.map((tail) => p + tail)]
      for (const subject of [...publish.map((tail) => p + tail), ...everyones]) nc.publish(subject, 'x')
      for (const subject of subscribe) nc.subscribe(p + subject, { callback: () => undefined })
      await nc.flush()
      await until(`${name} is refused ${wanted.filter((one) => !refused.has(one)).join(' ')}`, () =>
        wanted.every((subject) => refused.has(subject)),
      ).finally(() => nc.close())
    }
  })
})

describe('G12: at most one effect, and never a guess', () => {
  test('the same intent twenty times at once is carried out once', async () => {
    const first = await lab.submit(['lab-1'])
    const { bus } = await session()
    const subject = at().intent('lab-agent')
    await Promise.all(Array.from({ length: 20 }, () => bus.store(subject, first.compact, { stream: 'INTENTS' })))
    expect((await lab.end(first)).state).toBe('succeeded')
    await until('INTENTS is empty', async () => (await lab.jsm.streams.info('INTENTS')).state.messages === 0)
    await lab.plansHandled('gw-lab')
    expect(callsOf(first)).toHaveLength(1)
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
      expect(callsOf(intent)).toHaveLength(state === 'succeeded' ? 1 : 0)
    }
  })

  test('Redis emptied in the middle changes nothing: no second use, and every token is listed again', async () => {
    const intent = await lab.submit(['raw-1'])
    const taken = await raw.take()
    const redeem = await raw.redeemOf(taken, 's0')
    expect(await raw.redeem(redeem)).toEqual({ use: 1 })
    await flushRedis()
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

  async function session() {
    return openSession({ enrolment: lab.stack.paths.identity('agent', 'lab-agent') })
  }

  async function flushRedis(): Promise<void> {
    const { redis_url } = JSON.parse(await readFile(lab.stack.paths.localJson, 'utf8')) as { redis_url: string }
    const { hostname, port, password } = new URL(redis_url)
    const socket = connectTcp({ host: hostname, port: Number(port) })
    let answers = ''
    socket.on('data', (data) => {
      answers += data.toString()
    })
    socket.write(`AUTH ${password}\r\nFLUSHALL\r\n`)
    await until('Redis is empty', () => answers === '+OK\r\n+OK\r\n').finally(() => socket.destroy())
  }
})
