import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { credsAuthenticator } from '@nats-io/transport-node'
import { attestationMessage, REASON_CODES, type ReasonCode } from '@writ/contracts'
import { signMessage } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHECKS, CHECKS_ELSEWHERE, type Check, CODES_ELSEWHERE, type Elsewhere } from './support/hostile-checks.ts'
import { FORMS, type Form, flipped, type Good } from './support/hostile-forms.ts'
import { type Fate, HOSTILE_INTENTS, intentClaims } from './support/hostile-intents.ts'
import { codesOf, disguises, HostileStage, INTENT, type Party, type Spoil } from './support/hostile-stage.ts'
import { REGION, root } from './support/local-stack.ts'
import { type Outsider, until } from './support/outsider.ts'
import type { OutsiderGateway } from './support/outsider-gateway.ts'
import {
  type Claims,
  digest,
  forge,
  makeKey,
  nowSeconds,
  type OutsiderKey,
  open,
  sha256,
  signed,
} from './support/outsider-jws.ts'

// CONTRACT sections 6 and 7 from outside: agents, approvers and operators with real credentials and a NATS client send
// everything that is wrong with a message, one thing at a time, to the running system.

let stage: HostileStage
let agent: Party
let other: Party
let approver: Party
let operator: Party
let gateway: OutsiderGateway
let serviceKid: string
let before: readonly number[]

/** What the log must say in the end. */
const refusedInLog: { readonly digest: string; readonly code: ReasonCode }[] = []
const countedInLog = new Map<string, number>()
const voidInLog: { readonly seq: number; readonly code: ReasonCode }[] = []
/** What was refused at the door, and what became an intent and was denied. */
const EFFECTS = ['PLANS', 'KV_uses', 'REGISTRY'] as const

beforeAll(async () => {
  stage = await HostileStage.open('hostile')
  gateway = await stage.gateway('gw-host')
  ;[agent, other] = [await stage.agent('host-agent'), await stage.agent('host-other')]
  approver = await stage.party('approver', 'host-pat', { user: 'u-pat', roles: ['shift-lead'] })
  operator = await stage.party('operator', 'olga', { user: 'u-olga' })
  await stage.device('host-1')
  await stage.file('device', 'host-lone', { group: 'host', jurisdiction: REGION, actions: ['telemetry-read'] })
  await stage.device('host-hall', { group: 'hall' })
  await stage.device('host-blind', { actions: ['telemetry-read', 'restart'] })
  await stage.device('host-far')
  await stage.device('host-people', {
    floors: { 'telemetry-read': { approvals: { count: 1, roles: ['shift-lead'] } } },
  })
  const attestation = { profile: 'agent-host', max_age_s: 300 }
  await stage.device('host-proof', { floors: { 'telemetry-read': { attestation } } })
  await gateway.report('host-1', { mode: 'running', guard: 'closed' }, '10.1.2.3')
  await gateway.report('host-far', { mode: 'running', guard: 'closed' }, '203.0.113.9')
  // An operator's key counts in every version of the record, until it is revoked.
  await stage.control(operator.me, { command: 'revoke', scope: 'key', id: operator.removed.kid })
  const status = await stage.submit(agent.me, { targets: ['no-such-device'] })
  await stage.reaches(agent.me, status.id, 'denied')
  serviceKid = open((await agent.me.last('STATUS', agent.me.at('status', 'host-agent', status.id))) ?? '').kid
  before = await stage.ends(...EFFECTS)
})
afterAll(() => stage?.[Symbol.asyncDispose]())

function counted(id: string, code: ReasonCode): void {
  const name = `${id} ${code}`
  countedInLog.set(name, (countedInLog.get(name) ?? 0) + 1)
}

/** An intent or cancel that is refused at the door, or denied: its status, and what the log must say. */
async function refuses(
  bytes: string | Uint8Array,
  fate: Fate,
  check: Check,
  code: ReasonCode,
  by: Outsider = agent.me,
): Promise<void> {
  await stage.refused(by, bytes, fate, code)
  stage.saw(check, code)
  if (fate === 'counted') counted(by.id, code)
  else refusedInLog.push({ digest: digest(Buffer.from(bytes).toString('latin1')), code })
}

/** Codes of messages that nobody known has signed: counted, where the asker is told too. */
const UNSIGNED: readonly ReasonCode[] = [
  'malformed',
  'too_large',
  'unsupported_type',
  'wrong_subject',
  'unknown_agent',
  'unknown_key',
  'not_an_approver',
  'bad_signature',
]

async function answers(
  by: Outsider,
  form: 'approval' | 'command' | 'query',
  body: string | Uint8Array,
  check: Check,
  code: ReasonCode,
): Promise<void> {
  expect(await stage.asked(by, form, body)).toMatchObject({ ok: false, code })
  stage.saw(check, code)
  // What is wrong with a record is its operator's to hear: that one has signed.
  if (UNSIGNED.includes(code) && check !== 'commands') counted(by.id, code)
}

const envelope = (by: Outsider, seconds = 60): Claims => stage.envelope(by, seconds)
const about = (text: string): Claims => ({ intent_digest: sha256(text) })

/** Each subject that agents, approvers and operators send something signed to. */
const CHANNELS: readonly {
  readonly name: string
  readonly form: 'intent' | 'approval' | 'command' | 'query'
  readonly from: () => Party
  readonly another: () => Party
  readonly typ: string
  readonly bytesMax: number
  readonly lifetimeSecondsMax: number
  readonly claims: () => Claims
}[] = [
  {
    ...{ name: 'an intent', form: 'intent', from: () => agent, another: () => other, typ: INTENT },
    ...{ bytesMax: 32_768, lifetimeSecondsMax: 600, claims: () => intentClaims(stage.attacker(agent.me)) },
  },
  {
    ...{ name: 'a cancel', form: 'intent', from: () => agent, another: () => other, typ: 'writ-cancel+jwt' },
    ...{ bytesMax: 32_768, lifetimeSecondsMax: 600, claims: () => ({ ...envelope(agent.me), ...about('nothing') }) },
  },
  {
    ...{ name: 'an approval', form: 'approval', from: () => approver, another: () => agent, typ: 'writ-approval+jwt' },
    ...{ bytesMax: 32_768, lifetimeSecondsMax: 86_400 },
    claims: () => ({
      ...{ ...envelope(approver.me), ...about('nothing'), decision_digest: sha256('nothing'), verdict: 'approve' },
      comment: stage.mark,
    }),
  },
  {
    ...{ name: 'a command', form: 'command', from: () => operator, another: () => agent, typ: 'writ-command+jwt' },
    ...{ bytesMax: 32_768, lifetimeSecondsMax: 300 },
    claims: () => ({
      ...{ ...envelope(operator.me), kind: 'device', id: 'host-new', version: 1, reason: stage.mark },
      record: { group: 'host', jurisdiction: REGION, actions: ['telemetry-read'] },
    }),
  },
  ...(['agent', 'approver', 'operator'] as const).map((kind) => {
    const from = () => ({ agent, approver, operator })[kind]
    const what = ({ agent: 'intents', approver: 'pending', operator: 'registry' } as const)[kind]
    return {
      ...{ name: `a query of an ${kind}`, form: 'query' as const, from, another: () => other, typ: 'writ-query+jwt' },
      ...{ bytesMax: 49_152, lifetimeSecondsMax: 60, claims: () => ({ ...envelope(from().me, 30), what, args: {} }) },
    }
  }),
]

describe.each(CHANNELS)('$name', (channel) => {
  const good = (): Good => ({
    ...{ key: channel.from().me.key, typ: channel.typ, claims: channel.claims(), mark: stage.mark, serviceKid },
    ...{ bytesMax: channel.bytesMax, lifetimeSecondsMax: channel.lifetimeSecondsMax },
    ...{ another: channel.another().me.key, removed: channel.from().removed },
    anotherRole: (channel.from() === approver ? operator : approver).me.key,
  })

  test.each(FORMS)('$name: $code', async ({ body, check, code, signed: own }: Form) => {
    const bytes = await body(good())
    if (channel.form === 'intent') await refuses(bytes, own ? 'rejected' : 'counted', check, code)
    else await answers(channel.from().me, channel.form, bytes, check, code)
  })
})

describe('an intent', () => {
  test.each(HOSTILE_INTENTS)('$name: $code, $fate', async ({ body, fate, check, code }) => {
    await refuses(await body(stage.attacker(agent.me)), fate, check, code)
  })

  test('named as what every object has is an intent like any other', async () => {
    for (const jti of ['constructor', 'hasOwnProperty', 'toString']) {
      const claims = intentClaims(stage.attacker(agent.me), { jti, targets: ['no-such-device'] })
      await refuses(await signed(agent.me.key, INTENT, claims), 'own', 'user, devices, ceilings', 'unknown_device')
    }
  })

  test('without a byte', () => refuses(new Uint8Array(), 'counted', 'form', 'malformed'))

  test('by a login that no record belongs to: unknown_agent', async () => {
    const { me } = await stage.party('agent', 'host-nobody', undefined)
    const body = await signed(me.key, INTENT, intentClaims(stage.attacker(me)))
    await refuses(body, 'counted', 'registered', 'unknown_agent', me)
  })

  test('by a key of the other algorithm is judged as strictly', async () => {
    const { me } = await stage.agent('host-edward', {}, await makeKey('EdDSA'))
    const body = await signed(me.key, INTENT, intentClaims(stage.attacker(me)))
    const cut = body.lastIndexOf('.') + 1
    const bytes = Buffer.from(body.slice(cut), 'base64url')
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`)
    const bigger = Buffer.from((s + order).toString(16).padStart(64, '0'), 'hex').reverse()
    for (const other of [Buffer.alloc(64), Buffer.concat([bytes.subarray(0, 32), bigger]), bytes.subarray(1)])
      await refuses(body.slice(0, cut) + other.toString('base64url'), 'counted', 'signature', 'bad_signature', me)
  })

  test('with everything wrong is told the first thing, and with that mended the next', async () => {
    const { me } = await stage.agent('host-busy', { unfinished_max: 1 })
    const waiting = await stage.submit(me, { targets: ['host-people'] })
    await stage.reaches(me, waiting.id, 'needs_approval')
    await inOrder(me, [
      ['size', 'too_large', 'counted', { purpose: 'x'.repeat(33_000) }],
      ['form', 'malformed', 'counted', {}, { b64: false }],
      ['type', 'unsupported_type', 'counted', {}, { typ: 'JWT' }],
      ['claims', 'malformed', 'counted', { [stage.mark]: 1 }],
      ['subject', 'wrong_subject', 'counted', { iss: 'host-other' }],
      ['kid', 'unknown_key', 'counted', {}, { kid: other.me.key.kid }],
      ['signature', 'bad_signature', 'counted', {}, {}, other.me.key],
      ['audience and times', 'wrong_audience', 'rejected', { aud: 'writ:elsewhere' }],
      ['audience and times', 'not_yet_valid', 'rejected', { iat: nowSeconds() + 300 }],
      ['audience and times', 'expired', 'rejected', { exp: nowSeconds() - 1 }],
      ['audience and times', 'lifetime_too_long', 'rejected', { iat: nowSeconds() - 600 }],
      ['limits', 'rate_limited', 'rejected', { jti: waiting.id, on_behalf_of: 'u-anna' }],
    ])
  })

  test('that is well made is told by the records in their order', async () => {
    const used = await stage.submit(agent.me, { targets: ['no-such-device'] })
    await stage.reaches(agent.me, used.id, 'denied')
    const revoked = await stage.control(operator.me, {
      command: 'revoke',
      scope: 'user',
      id: 'u-gone',
      quarantine: true,
    })
    await until('the revoke is read', async () => {
      const { id } = await stage.submit(agent.me, { on_behalf_of: 'u-gone' })
      return codesOf(await stage.reaches(agent.me, id, 'denied')).includes('quarantined')
    })
    await inOrder(agent.me, [
      ['used before', 'replayed', 'rejected', { jti: used.id }],
      ['standing revoke', 'quarantined', 'own', { on_behalf_of: 'u-gone' }],
      ['user, devices, ceilings', 'wrong_user', 'own', { on_behalf_of: 'u-anna' }],
      ['user, devices, ceilings', 'unknown_device', 'own', { targets: ['no-such-device', 'host-hall'] }],
      ['user, devices, ceilings', 'device_without_gateway', 'own', { targets: ['host-lone', 'host-hall'] }],
      ['user, devices, ceilings', 'scope_exceeded', 'own', { targets: ['host-hall'] }],
      ['policy', 'params_out_of_bounds', 'own', { action: 'config-change', params: { [stage.mark]: 1 } }],
    ])
    await stage.control(operator.me, { command: 'lift', lifts: revoked })
  })

  /** Sends a message with all the faults, then without the first, and so on: each names the first that is left. */
  async function inOrder(
    me: Outsider,
    faults: readonly (readonly [Check, ReasonCode, Fate, Claims, Claims?, OutsiderKey?])[],
  ): Promise<void> {
    for (const [index, [check, code, fate]] of faults.entries()) {
      // A later fault must not mend an earlier one.
      const left = faults.slice(index).toReversed()
      const claims: Claims = Object.assign({}, ...left.map(([, , , changes]) => changes))
      const header: Claims = Object.assign({}, ...left.map(([, , , , more]) => more ?? {}))
      const key = left.find((fault) => fault[5] !== undefined)?.[5] ?? me.key
      const body = forge(
        key,
        { alg: me.key.alg, kid: me.key.kid, typ: INTENT, ...header },
        intentClaims(stage.attacker(me), claims),
      )
      await refuses(body, fate, check, code, me)
    }
  }

  test('again under the other signature that verifies is the same message, not a new one', async () => {
    const intent = await stage.submit(agent.me, { targets: ['host-people'] })
    const first = await stage.reaches(agent.me, intent.id, 'needs_approval')
    const again = flipped(intent.body)
    expect([again === intent.body, digest(again)]).toEqual([false, intent.digest])
    const subject = agent.me.at('status', 'host-agent', intent.id)
    const said = agent.me.listen(subject)
    await agent.me.nc.flush()
    await stage.publish(agent.me, again)
    await until('its status is said anew', () => said.length > 0)
    const { iat: _, ...anew } = (await stage.status(agent.me, intent.id)) ?? {}
    const { iat: __, ...known } = first
    expect(anew).toEqual(known)
    expect(await stage.status(agent.me, `rejected-${intent.digest.slice(0, 16)}`)).toBeUndefined()
  })

  test('of 100 KB is not stored, and one of 10 MB costs its sender the connection and nobody else anything', async () => {
    await expect(agent.me.js.publish(agent.me.at('intent', 'host-agent'), 'x'.repeat(100_000))).rejects.toMatchObject({
      code: 10054,
    })
    const said = await sendRaw('agent', 'host-agent', agent.me.at('intent', 'host-agent'), 10 * 2 ** 20)
    expect(said).toContain('Maximum Payload Violation')
    const { id } = await stage.submit(agent.me, { targets: ['no-such-device'] })
    await stage.reaches(agent.me, id, 'denied')
  })

  test('that needs an attestation is told so, and what is wrong with one', async () => {
    const ask = () => stage.submit(agent.me, { targets: ['host-proof'] })
    const waits = async (code: ReasonCode) => {
      const { id } = await ask()
      expect(codesOf(await stage.reaches(agent.me, id, 'needs_attestation'))).toEqual([code])
      stage.saw('attestation', code)
    }
    await waits('attestation_required')
    const login = await stage.lab.stolenLogin('attestation-verifier')
    const signer = await stage.lab.stolenAnchor('attestation-verifier', login)
    const attest = async (ago: number, status: 'affirming' | 'contraindicated') => {
      const iat = nowSeconds() - ago
      const result = await signMessage(signer, attestationMessage, {
        ...{ iss: 'attestation-verifier', aud: agent.me.aud, iat, exp: iat + 900, request: sha256('x') },
        ...{
          sub: 'agent/host-agent',
          cnf: { jkt: agent.me.key.kid },
          profile: 'agent-host',
          evidence_sha256: sha256('x'),
        },
        ...{ policy_sha256: sha256('x'), submods: { host: { 'ear.status': status } } },
      })
      await login.store(agent.me.at('attestation', 'agent', 'host-agent'), result, { stream: 'ATTESTATIONS' })
    }
    await attest(0, 'contraindicated')
    await waits('attestation_failed')
    await attest(400, 'affirming')
    await waits('attestation_stale')
  })
})

/** Speaks NATS by hand: a client library would not send this. What the server says until it hangs up. */
async function sendRaw(kind: string, id: string, subject: string, bytes: number): Promise<string> {
  const { port } = new URL(stage.plane.nats_url)
  const creds = await readFile(join(stage.local.stack.paths.identity(kind, id), 'nats.creds'))
  const socket: Socket = connect(Number(port), '127.0.0.1')
  let heard = ''
  socket.on('data', (data: Buffer) => {
    const first = heard === ''
    heard += data.toString('latin1')
    // The body goes out after the server's word about it, which a reset of the connection could take with it.
    if (heard.includes('-ERR')) socket.write(Buffer.alloc(bytes, 'x'))
    if (!first) return
    const { nonce } = JSON.parse(heard.slice(heard.indexOf('{'), heard.indexOf('\r\n'))) as { nonce: string }
    const login = { verbose: false, pedantic: false, lang: 'raw', version: '1', protocol: 1 }
    const auth = credsAuthenticator(creds)(nonce) as object
    socket.write(`CONNECT ${JSON.stringify({ ...login, ...auth })}\r\nPUB ${subject} ${bytes}\r\n`)
  })
  socket.on('error', () => undefined)
  await until('the server hangs up', () => socket.destroyed || socket.readableEnded)
  socket.destroy()
  return heard
}

describe('a cancel', () => {
  const cancel = (changes: Claims, by: Outsider = agent.me) =>
    signed(by.key, 'writ-cancel+jwt', { ...envelope(by), ...changes })

  test('of nothing, of another’s intent, and under the id of an intent moves nothing; its owner’s does', async () => {
    const intent = await stage.submit(agent.me, { targets: ['host-people'] })
    await stage.reaches(agent.me, intent.id, 'needs_approval')
    await refuses(await cancel(about('nothing')), 'rejected', 'gateway: the chain', 'chain_broken')
    const anothers = await cancel({ intent_digest: intent.digest }, other.me)
    await refuses(anothers, 'rejected', 'gateway: the chain', 'chain_broken', other.me)
    const used = await cancel({ intent_digest: intent.digest, jti: intent.id })
    await refuses(used, 'rejected', 'used before', 'replayed')
    expect((await stage.status(agent.me, intent.id))?.['state']).toBe('needs_approval')
    const own = await cancel({ intent_digest: intent.digest })
    await stage.publish(agent.me, flipped(own))
    await stage.publish(agent.me, own)
    expect(codesOf(await stage.reaches(agent.me, intent.id, 'cancelled'))).toEqual(['cancelled'])
    stage.saw('token', 'cancelled')
  })
})

describe('an approval', () => {
  const say = async (claims: Claims, by: Outsider = approver.me) =>
    signed(by.key, 'writ-approval+jwt', { ...envelope(by, 300), verdict: 'approve', comment: stage.mark, ...claims })

  /** An intent that waits for people, and what they are shown. */
  async function shown(): Promise<{ readonly id: string; readonly about: Claims }> {
    const intent = await stage.submit(agent.me, { targets: ['host-people'] })
    const status = await stage.reaches(agent.me, intent.id, 'needs_approval')
    expect(codesOf(status)).toEqual(['approval_required'])
    stage.saw('approvals', 'approval_required')
    const query = await signed(approver.me.key, 'writ-query+jwt', {
      ...envelope(approver.me, 30),
      what: 'pending',
      args: {},
    })
    const { items } = await stage.asked(approver.me, 'query', query)
    const requests = (items as string[]).map((item) => open(item).claims as { intent: string; decision: string })
    const request = requests.find((each) => digest(each.intent) === intent.digest)
    return { id: intent.id, about: { intent_digest: intent.digest, decision_digest: digest(request?.decision ?? '') } }
  }

  test('by somebody without a record, and without a role, is by no approver', async () => {
    const { me: nobody } = await stage.party('approver', 'host-nopat', undefined)
    const { me: janitor } = await stage.party('approver', 'host-jan', { user: 'u-jan', roles: ['janitor'] })
    const { about: all } = await shown()
    await answers(nobody, 'approval', await say(all, nobody), 'registered', 'not_an_approver')
    await answers(janitor, 'approval', await say(all, janitor), 'approvals', 'not_an_approver')
  })

  test('of the same user, of something else, too early, twice under one id, or by whom a revoke names counts for nothing', async () => {
    const { me: self } = await stage.party('approver', 'host-self', { user: 'u-host', roles: ['shift-lead'] })
    const { id, about: all } = await shown()
    await answers(self, 'approval', await say(all, self), 'approvals', 'self_approval')
    const wrong = await say({ ...all, decision_digest: sha256('another') })
    await answers(approver.me, 'approval', wrong, 'approvals', 'chain_broken')
    await answers(approver.me, 'approval', flipped(wrong), 'approvals', 'chain_broken')
    await answers(
      approver.me,
      'approval',
      await say({ ...all, intent_digest: sha256('another') }),
      'approvals',
      'chain_broken',
    )
    const again = await say({ ...all, jti: open(wrong).claims['jti'] })
    await answers(approver.me, 'approval', again, 'used before', 'replayed')
    const early = await say({ ...all, iat: nowSeconds() - 300 })
    await answers(approver.me, 'approval', early, 'approvals', 'approval_expired')
    const revoked = await stage.control(operator.me, { command: 'revoke', scope: 'user', id: 'u-pat' })
    await until(
      'the revoke is read',
      async () =>
        (await stage.asked(approver.me, 'approval', await say({ ...all, decision_digest: sha256('x') })))['code'] ===
        'revoked',
    )
    await answers(approver.me, 'approval', await say(all), 'standing revoke', 'revoked')
    await stage.control(operator.me, { command: 'lift', lifts: revoked })
    expect((await stage.status(agent.me, id))?.['approval']).toMatchObject({ given: 0 })
  })

  test('that says no ends it, and under its other signature is the same no', async () => {
    const { id, about: all } = await shown()
    const no = await until('the lift is read', async () => {
      const body = await say({ ...all, verdict: 'reject' })
      return (await stage.asked(approver.me, 'approval', body))['ok'] === true && body
    })
    expect(await stage.asked(approver.me, 'approval', flipped(no))).toMatchObject({ ok: true })
    expect(codesOf(await stage.reaches(agent.me, id, 'denied'))).toEqual(['approval_rejected'])
    stage.saw('approvals', 'approval_rejected')
  })
})

describe('a command', () => {
  const device = { group: 'host', jurisdiction: REGION, actions: ['telemetry-read'] }
  const keys = async () => [(await makeKey()).jwk]
  const ceiling = { users: ['u-x'], actions: [], groups: [] }
  const rows: readonly (readonly [string, Check, ReasonCode, () => Claims | Promise<Claims>])[] = [
    [
      'files an operator',
      'commands',
      'wrong_role',
      async () => ({ kind: 'operator', id: 'mallory', record: { keys: await keys(), user: 'u-m' } }),
    ],
    ['skips a version', 'commands', 'wrong_version', () => ({ record: device, version: 2 })],
    ['files a version again', 'commands', 'wrong_version', () => ({ id: 'host-1', record: device })],
    [
      'registers a key of another',
      'commands',
      'replayed',
      () => ({ kind: 'agent', id: 'twin', record: { ...ceiling, keys: [other.me.key.jwk] } }),
    ],
    [
      'registers a key of a service',
      'commands',
      'replayed',
      async () => ({ kind: 'agent', id: 'twin', record: { ...ceiling, keys: [await serviceKey()] } }),
    ],
    [
      'registers an operator’s pinned key',
      'commands',
      'replayed',
      () => ({
        kind: 'agent',
        id: 'twin',
        record: { ...ceiling, keys: [Object.values(stage.plane.trust.operators)[0]] },
      }),
    ],
    [
      'names a gateway that is not registered',
      'commands',
      'chain_broken',
      () => ({ record: { ...device, gateway_id: 'gw-none' } }),
    ],
    [
      'files a device of another region',
      'commands',
      'wrong_jurisdiction',
      () => ({ record: { ...device, jurisdiction: 'us-east-1' } }),
    ],
    [
      'files a gateway of another region',
      'commands',
      'wrong_jurisdiction',
      async () => ({ kind: 'gateway', id: 'gw-x', record: { keys: await keys(), jurisdiction: 'us-east-1' } }),
    ],
    [
      'files another policy',
      'commands',
      'malformed',
      () => ({ kind: 'policy', id: 'other', record: { bundle_sha256: sha256('x'), revision: 'x' } }),
    ],
    ['files a kind that is none', 'claims', 'malformed', () => ({ kind: 'key', record: device })],
    ['files a member that nobody knows', 'claims', 'malformed', () => ({ record: { ...device, [stage.mark]: true } })],
    ['files a wildcard', 'claims', 'malformed', () => ({ record: { ...device, actions: ['*'] } })],
    [
      'files a private key',
      'claims',
      'malformed',
      async () => ({ kind: 'agent', record: { ...ceiling, keys: [{ ...(await makeKey()).jwk, d: sha256('x') }] } }),
    ],
    [
      'files a point that is on no curve',
      'commands',
      'malformed',
      async () => ({
        kind: 'agent',
        id: 'flat',
        record: { ...ceiling, keys: [{ ...(await makeKey()).jwk, y: sha256('x') }] },
      }),
    ],
    ['files for an id with a line feed behind it', 'claims', 'malformed', () => ({ id: 'host-new\n', record: device })],
    ['files for a reserved id', 'claims', 'malformed', () => ({ id: 'rejected-0123', record: device })],
  ]

  async function serviceKey(): Promise<unknown> {
    for await (const { data } of operator.me.all('SIGNERS', operator.me.at('registry', 'key', serviceKid)))
      return open(data).claims['jwk']
    throw new Error('the service’s key is endorsed')
  }

  test.each(rows)('that %s is refused', async (_, check, code, make) => {
    const claims = {
      ...envelope(operator.me, 120),
      kind: 'device',
      id: 'host-new',
      version: 1,
      reason: stage.mark,
      ...(await make()),
    }
    await answers(operator.me, 'command', await signed(operator.me.key, 'writ-command+jwt', claims), check, code)
  })

  test('by an operator without a record, or with lines that are not another operator’s word, is refused', async () => {
    const { me: nobody } = await stage.party('operator', 'oscar', undefined)
    const { me: second } = await stage.party('operator', 'ophelia', { user: 'u-o' })
    const claims = (by: Outsider) => ({
      ...envelope(by, 120),
      kind: 'device',
      id: 'host-new',
      version: 1,
      reason: stage.mark,
      record: device,
    })
    await answers(
      nobody,
      'command',
      await signed(nobody.key, 'writ-command+jwt', claims(nobody)),
      'registered',
      'unknown_key',
    )
    const command = await signed(operator.me.key, 'writ-command+jwt', claims(operator.me))
    const cosign = (by: Outsider, command_digest: string, key = by.key) => {
      const { jti: _, ...rest } = envelope(by)
      return signed(key, 'writ-cosign+jwt', { ...rest, command_digest })
    }
    const line = await cosign(second, digest(command))
    const lines: readonly (readonly [Check, ReasonCode, readonly string[]])[] = [
      ['commands', 'chain_broken', [await cosign(second, sha256('x'))]],
      ['commands', 'chain_broken', [await cosign(operator.me, digest(command))]],
      ['commands', 'chain_broken', [line, line]],
      ['kid', 'unknown_key', [await cosign(second, digest(command), other.me.key)]],
      ['signature', 'bad_signature', [`${line.slice(0, line.lastIndexOf('.'))}.${'A'.repeat(86)}`]],
      ['form', 'malformed', [line, line, line, line]],
      ['type', 'unsupported_type', [command]],
      ['form', 'malformed', ['']],
    ]
    for (const [check, code, more] of lines)
      await answers(operator.me, 'command', [command, ...more].join('\n'), check, code)
  })

  test('under its other signature is the same command, and another under its id is not', async () => {
    const { body, result } = await stage.operate(operator.me, { kind: 'device', id: 'host-flip', record: device })
    expect(result).toMatchObject({ ok: true, version: 1 })
    expect(await stage.asked(operator.me, 'command', flipped(body))).toMatchObject({ ok: true, version: 1 })
    const { jti } = open(body).claims
    const claims = {
      ...envelope(operator.me, 120),
      jti,
      kind: 'device',
      id: 'host-flip',
      version: 2,
      reason: stage.mark,
      record: device,
    }
    await answers(
      operator.me,
      'command',
      await signed(operator.me.key, 'writ-command+jwt', claims),
      'used before',
      'replayed',
    )
  })
})

describe('a query', () => {
  const rows: readonly (readonly [string, () => Outsider, Check, ReasonCode, Claims])[] = [
    ['of an agent for tokens', () => agent.me, 'kid', 'wrong_role', { what: 'tokens' }],
    ['of an agent for records', () => agent.me, 'kid', 'wrong_role', { what: 'registry' }],
    ['of an agent for what waits', () => agent.me, 'kid', 'wrong_role', { what: 'pending' }],
    ['of an approver for intents', () => approver.me, 'kid', 'wrong_role', { what: 'intents' }],
    ['of an operator for what waits', () => operator.me, 'kid', 'wrong_role', { what: 'pending' }],
    ['for secrets', () => agent.me, 'claims', 'malformed', { what: 'secrets' }],
    ['for what every object has', () => operator.me, 'claims', 'malformed', { what: 'constructor' }],
    ['for no items', () => agent.me, 'claims', 'malformed', { args: { limit: 0 } }],
    ['for 1,001 items', () => agent.me, 'claims', 'malformed', { args: { limit: 1001 } }],
    ['for half an item', () => agent.me, 'claims', 'malformed', { args: { limit: 0.5 } }],
    ['from behind no page', () => agent.me, 'claims', 'malformed', { args: { after: '1e3' } }],
    ['from behind every page', () => agent.me, 'claims', 'malformed', { args: { after: '9'.repeat(400) } }],
    ['of all agents', () => operator.me, 'claims', 'malformed', { what: 'intents', args: { agent_id: '*' } }],
    [
      'of more than one subject',
      () => operator.me,
      'claims',
      'malformed',
      { what: 'intents', args: { agent_id: 'a.>' } },
    ],
    ['with an argument that nobody knows', () => agent.me, 'claims', 'malformed', { args: { where: '1=1' } }],
  ]
  test.each(rows)('%s is refused', async (_, by, check, code, changes) => {
    const claims = { ...envelope(by(), 30), what: 'intents', args: {}, ...changes }
    await answers(by(), 'query', await signed(by().key, 'writ-query+jwt', claims), check, code)
  })

  test('of one agent about another says only what is its own', async () => {
    const body = await signed(other.me.key, 'writ-query+jwt', {
      ...envelope(other.me, 30),
      what: 'intents',
      args: { agent_id: 'host-agent' },
    })
    expect(await stage.asked(other.me, 'query', body)).toMatchObject({ items: [] })
  })
})

describe('a control message', () => {
  const plain = (): Spoil => ({})
  const all: Claims = { command: 'revoke', scope: 'all', quarantine: true }
  const rows: readonly (readonly [string, Check, ReasonCode, Claims, () => Spoil])[] = [
    ['that is no message', 'form', 'malformed', all, () => ({ body: `${stage.mark}\n\u001b[2J` })],
    ['over its limit', 'size', 'too_large', { ...all, x: 'x'.repeat(40_000) }, plain],
    ['of another type', 'type', 'unsupported_type', all, () => ({ typ: 'writ-command+jwt' })],
    ['with a claim that nobody knows', 'claims', 'malformed', { ...all, force: true }, plain],
    ['with a scope that is none', 'claims', 'malformed', { ...all, scope: 'everything' }, plain],
    ['with an end', 'claims', 'malformed', { ...all, exp: 2_000_000_000 }, plain],
    ['of a root operator by another', 'subject', 'wrong_subject', { ...all, iss: 'root' }, plain],
    ['by an agent’s key', 'kid', 'unknown_key', all, () => ({ key: agent.me.key })],
    ['by a revoked key', 'kid', 'unknown_key', all, () => ({ key: operator.removed })],
    [
      'by another key under the own id',
      'signature',
      'bad_signature',
      all,
      () => ({ key: { ...agent.me.key, kid: operator.me.key.kid } }),
    ],
    ['for another region', 'audience and times', 'wrong_audience', { ...all, aud: 'writ:elsewhere' }, plain],
    ['that follows nothing', 'commands', 'chain_broken', { ...all, prev: 0 }, plain],
    ['that will vanish', 'commands', 'malformed', all, () => ({ ttl: '60s' })],
    ['that begins the stream again', 'commands', 'replayed', { command: 'genesis', stream: 'mine' }, plain],
  ]
  test.each(rows)('%s is void', async (_, check, code, claims, spoil) => {
    const seq = await stage.control(operator.me, claims, spoil())
    voidInLog.push({ seq, code })
    stage.saw(check, code)
    // Had it counted, nothing would be taken any more.
    const { id } = await stage.submit(agent.me, { targets: ['no-such-device'] })
    expect(codesOf(await stage.reaches(agent.me, id, 'denied'))).toEqual(['unknown_device'])
  })
})

describe('a message that its handler fails on', () => {
  test('is tried five times, taken off its queue, counted and kept, and holds up nobody', async () => {
    const claims = intentClaims(stage.attacker(agent.me))
    const body = await signed(agent.me.key, INTENT, claims)
    // Nothing that is known makes a handler fail: what it reads is broken for it, with the plane's own hand.
    stage.lab.store.publish(`$KV.intents.host-agent.${String(claims['jti'])}`, 'not a state')
    await stage.lab.store.flush()
    const refusals = await stage.refusals('internal')
    await stage.publish(agent.me, body)
    const { id } = await stage.submit(agent.me, { targets: ['no-such-device'] })
    await stage.reaches(agent.me, id, 'denied')
    await until('it is given up', async () => (await stage.refusals('internal')) > refusals, 20_000)
    stage.saw('form', 'internal')
    counted('host-agent', 'internal')
    const kept = join(stage.local.stack.paths.state('intent-gateway-0'), 'refused', sha256(Buffer.from(body)))
    expect(await readFile(kept, 'latin1')).toBe(body)
    await until('nothing waits', async () => {
      const { num_pending, num_ack_pending } = await stage.lab.jsm.consumers.info('INTENTS', 'intent-gateway')
      return num_pending + num_ack_pending === 0
    })
  })
})

describe('all of it', () => {
  test('has moved nothing and brought nothing down', async () => {
    await stage.unharmed()
    const [plans, uses] = await stage.ends(...EFFECTS)
    expect([plans, uses]).toEqual(before.slice(0, 2))
    expect(await gateway.pull(1000)).toBeUndefined()
    const { id } = await stage.submit(agent.me)
    const taken = await gateway.take()
    await gateway.redeem(await gateway.redeemOf(taken, 's0'))
    await gateway.outcome(taken, { step_id: 's0', device_id: 'host-1' }, 'succeeded', { result: {} })
    await stage.reaches(agent.me, id, 'succeeded')
    await taken.message.ackAck()
  })

  test('is in the log as the contract says, counted or named, and nothing of its text', async () => {
    await until(
      'the log has it',
      async () => {
        const events = await stage.events()
        const refused = new Set(
          events
            .filter(({ type }) => type === 'intent.refused')
            .flatMap(({ intent_digest, reasons }) => (reasons ?? []).map((code) => `${intent_digest} ${code}`)),
        )
        const voids = new Set(
          events
            .filter(({ type }) => type === 'control.void')
            .map(({ detail, reasons }) => `${String(detail?.['seq'])} ${String(reasons)}`),
        )
        const counts = new Map<string, number>()
        for (const { detail, reasons } of events.filter(({ type }) => type === 'messages.refused')) {
          const name = `${String(detail?.['id'])} ${String(reasons)}`
          counts.set(name, (counts.get(name) ?? 0) + Number(detail?.['count']))
        }
        const missing = [
          ...refusedInLog.filter(({ digest, code }) => !refused.has(`${digest} ${code}`)),
          ...voidInLog.filter(({ seq, code }) => !voids.has(`${seq} ${code}`)),
          ...[...countedInLog]
            .filter(([name, count]) => counts.get(name) !== count)
            .map((each) => [...each, counts.get(each[0])]),
        ]
        if (missing.length > 0) missingLast = missing
        return missing.length === 0
      },
      30_000,
    ).catch((error: unknown) => {
      throw new Error(JSON.stringify(missingLast), { cause: error })
    })
    const [log, written] = [await stage.logged(), await stage.written()]
    // What is looked for is what was sent.
    const sent = await signed(agent.me.key, INTENT, intentClaims(stage.attacker(agent.me)))
    expect(disguises(stage.mark).some((text) => sent.includes(text))).toBe(true)
    for (const text of disguises(stage.mark))
      expect([log.includes(text), written.includes(text)]).toEqual([false, false])
    for (const text of ['\u001b', '<script>']) expect(written.includes(text)).toBe(false)
  })
  let missingLast: unknown

  test('leaves no code and no check unaccounted for', async () => {
    const named = async (list: Partial<Record<string, Elsewhere>>, name: string) => {
      const elsewhere = list[name]
      if (elsewhere === undefined) return false
      return (await readFile(join(root, elsewhere.where), 'utf8')).includes(elsewhere.by ?? name)
    }
    for (const code of REASON_CODES)
      expect([code, stage.codes.has(code) !== (await named(CODES_ELSEWHERE, code))]).toEqual([code, true])
    for (const check of CHECKS)
      expect([check, stage.checks.has(check) || (await named(CHECKS_ELSEWHERE, check))]).toEqual([check, true])
  })
})
