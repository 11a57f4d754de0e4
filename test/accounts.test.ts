import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect, credsAuthenticator, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import {
  ANY,
  ackSubject,
  directGet,
  PARTY_KINDS,
  pullSubject,
  SERVICE_ROLES,
  STORE_API_PREFIX,
  type StreamName,
  subjects,
} from '@writ/contracts'
import { connectSystem, createCredentials, revokeCredentials } from '@writ/plane'
import { afterAll, beforeAll, describe, test } from 'vitest'
import {
  Bench,
  bind,
  client,
  direct,
  history,
  lastOf,
  listen,
  type Party,
  reads,
  textOf,
  until,
} from './support/account-bench.ts'
import { startNats, type TestNats } from './support/nats.ts'

// NATS with the project's own layout and credentials made by its own tool: first everything the system needs, then the
// attacks. `WRIT_TEST_REPLICAS=3` runs it on a cluster: both ways after every upgrade of the server.

// biome-ignore lint/suspicious/noUndeclaredEnvVars: set by hand, no task caches it
const replicas = process.env['WRIT_TEST_REPLICAS'] === '3' ? 3 : 1
const at = subjects('test-1')
const words = (text: string): string[] => text.trim().split(/\s+/)
/** Subjects as an attacker would write them. */
const all = (text: string): string[] => words(text).map((tail) => `${at.prefix}${tail}`)
const refusedWith = (code: number, promise: Promise<unknown>): Promise<void> =>
  assert.rejects(promise, (error: { code?: unknown }) => error.code === code || assert.fail(String(error)))
const ifLast = (seq: number, more = {}) => ({
  ...more,
  expect: { lastSubjectSequenceSubject: at.controlAll, lastSubjectSequence: seq },
})

let nats: TestNats
let bench: Bench
let agent: Party
let victim: Party
let gateway: Party
let operator: Party
let approver: Party
let intake: Party
let evaluator: Party
let issuer: Party
let verifier: Party
let sink: Party

beforeAll(async () => {
  nats = await startNats({ replicas })
  bench = await Bench.create(nats, replicas)
  ;[agent, victim, gateway, operator, approver] = await Promise.all([
    bench.login('agent', 'A'),
    bench.login('agent', 'B'),
    bench.login('gateway', 'G'),
    bench.login('operator', 'O'),
    bench.login('approver', 'P'),
  ])
  await nats.login('gateway', 'H')
  ;[intake, evaluator, issuer, verifier, sink] = (await Promise.all(
    SERVICE_ROLES.map((role) => bench.login(role, 'i1')),
  )) as [Party, Party, Party, Party, Party]
  for (const id of ['G', 'H']) await bench.jsm.consumers.update('PLANS', `gateway-${id}`, { ack_wait: 1e9 })
})
afterAll(() => nats?.stop())

describe('what must work', () => {
  test('an agent publishes an intent and JetStream acknowledges', async () => {
    assert.equal((await client(agent.nc).publish(at.intent('A'), 'intent')).stream, 'INTENTS')
  })

  test('three replicas share one durable, each intent is handled once', async () => {
    const others = await Promise.all(['i2', 'i3'].map((id) => bench.login('intent-gateway', id)))
    const handled: number[] = []
    const handle = async (replica: number, nc: NatsConnection) => {
      const messages = await bind(nc, 'INTENTS', 'intent-gateway').consume({
        bind: true,
        max_messages: 4,
        expires: 5000,
      })
      for await (const message of messages) {
        handled.push(replica)
        await sleep(5)
        await message.ackAck()
        if (handled.length >= 31) break
      }
    }
    for (const [replica, { nc }] of [intake, ...others].entries()) void handle(replica, nc).catch(() => {})
    for (let n = 0; n < 30; n++) await client(agent.nc).publish(at.intent('A'), `intent ${n}`)
    await until(async () => (await bench.messagesIn('INTENTS')) === 0)
    assert.deepEqual([handled.length, new Set(handled).size], [31, 3])
    await Promise.all(others.map(({ nc }) => nc.close()))
  })

  test('an agent hears its status live and reads it by direct get', async () => {
    const live = listen(agent.nc, at.under('status').replace('.>', '.A.>'))
    await bench.heard(agent.nc)
    await client(intake.nc).publish(at.status('A', 'i1'), 'accepted')
    await until(() => live.length === 1)
    assert.equal(live[0]?.headers?.get('Nats-Sequence'), '1')
    await reads('accepted', () => textOf(agent.nc, 'STATUS', at.status('A', 'i1')))
  })

  test('a gateway pulls its plan: +WPI holds it, an ack ends it, +TERM refuses it', async () => {
    const plans = await bind(gateway.nc, 'PLANS', 'gateway-G').consume({ bind: true, max_messages: 1, expires: 5000 })
    await client(intake.nc).publish(at.plan('G'), 'plan 1')
    await client(intake.nc).publish(at.plan('G'), 'plan 2')
    for await (const message of plans) {
      if (message.string() === 'plan 1') {
        for (let n = 0; n < 5; n++) {
          message.working()
          await sleep(400) // together twice the wait for an ack
        }
        assert.equal((await bench.jsm.consumers.info('PLANS', 'gateway-G')).num_redelivered, 0)
        assert.equal(await message.ackAck(), true)
      } else if (message.redelivered) {
        message.term('refused')
        break
      }
    }
    await until(async () => (await bench.messagesIn('PLANS')) === 0)
  })

  test('an operator publishes to CONTROL on condition; a stale one is refused', async () => {
    assert.equal((await client(operator.nc).publish(at.control('O'), 'genesis', ifLast(0))).seq, 1)
    await refusedWith(10071, client(operator.nc).publish(at.control('O'), 'stale', ifLast(0)))
  })

  test('token-issuer ticks on the same condition; a tick expires by its TTL', async () => {
    await client(issuer.nc).publish(at.tick('i1'), 'tick', ifLast(1, { ttl: '1s' }))
    await refusedWith(10071, client(issuer.nc).publish(at.tick('i1'), 'stale tick', ifLast(0, { ttl: '1s' })))
    await until(async () => (await bench.messagesIn('CONTROL')) === 1)
    assert.equal((await client(operator.nc).publish(at.control('O'), 'revoke', ifLast(1))).seq, 3)
  })

  test('a gateway and a service read CONTROL from its start, without the ticks', async () => {
    for (const { nc } of [gateway, issuer]) {
      const reader = await direct(nc)
      const nextFrom = (seq: number) => reader.getMessage('CONTROL', { seq, next_by_subj: at.controlAll })
      await reads(['genesis', 'revoke'], async () => {
        const read: string[] = []
        for (let m = await nextFrom(1); m !== null; m = await nextFrom(m.seq + 1)) read.push(m.string())
        return read
      })
    }
  })

  test('the live copies of CONTROL are only what the stream took', async () => {
    const parties = [gateway, operator, issuer]
    const lives = parties.map(({ nc }) => listen(nc, at.stored(at.controlAll)))
    await bench.heard(...parties.map(({ nc }) => nc))
    await refusedWith(10071, client(operator.nc).publish(at.control('O'), 'refused', ifLast(1)))
    await client(operator.nc).publish(at.control('O'), 'lift', ifLast(3))
    await until(() => lives.every((live) => live.length > 0))
    const heard = (live: Msg[]) => live.map((m) => [m.string(), m.headers?.get('Nats-Sequence')])
    for (const live of lives) assert.deepEqual(heard(live), [['lift', '4']])
  })

  test('services keep state in buckets: create, get, update by revision', async () => {
    const intents = await new Kvm(client(intake.nc)).open('intents', { allow_direct: true })
    const revision = await intents.create('A.i1', 'accepted')
    await refusedWith(10071, intents.create('A.i1', 'again'))
    await intents.update('A.i1', 'approved', revision)
    await refusedWith(10071, intents.update('A.i1', 'stale', revision))
    await reads('approved', async () => (await intents.get('A.i1'))?.string())
    const uses = await new Kvm(client(issuer.nc)).open('uses', { allow_direct: true })
    await uses.create('plan1.s0.1', 'digest')
    await refusedWith(10071, uses.create('plan1.s0.1', 'another'))
  })

  test('a subject key can be purged, and then its bytes are gone; nothing else can', async () => {
    const keys = await new Kvm(client(intake.nc)).open('subject-keys', { allow_direct: true })
    await keys.create('k1', 'wrapped key')
    await keys.create('k2', 'another')
    await reads('wrapped key', async () => (await keys.get('k1'))?.string())
    await keys.purge('k1')
    await reads('', async () => (await keys.get('k1'))?.string() ?? '')
    await reads(['another', ''], () => history(nats.store, 'KV_subject-keys', '$KV.subject-keys.*'))
    const intents = await new Kvm(client(intake.nc)).open('intents', { allow_direct: true })
    await assert.rejects(intents.purge('A.i1'))
    await reads('approved', async () => (await intents.get('A.i1'))?.string())
  })

  test('a bucket is watched without a consumer: live first, then the last values', async () => {
    const changes = listen(intake.nc, at.storedIntents)
    await bench.heard(intake.nc)
    const reader = await direct(intake.nc)
    await reads(['approved'], async () => {
      const values: string[] = []
      for await (const message of await reader.getLastMessagesFor('KV_intents', {
        multi_last: ['$KV.intents.>'],
        batch: 1000,
      }))
        values.push(message.string())
      return values
    })
    await client(intake.nc).publish('$KV.intents.A.i2', 'accepted')
    await until(() => changes.length === 1)
    assert.equal(at.storedIntentKey(changes[0]?.subject ?? ''), 'A.i2')
  })

  test('reports and attestation results are kept per subject, and the latter announced', async () => {
    const announced = listen(intake.nc, at.stored(at.under('attestation')))
    await bench.heard(intake.nc)
    for (const state of ['old', 'new']) await client(gateway.nc).publish(at.report('G', 'd1'), state)
    await client(verifier.nc).publish(at.attestation('agent', 'A'), 'result')
    for (const { nc } of [intake, evaluator, issuer])
      await reads('new', () => textOf(nc, 'REPORTS', at.report('G', 'd1')))
    await reads('result', () => textOf(intake.nc, 'ATTESTATIONS', at.attestation('agent', 'A')))
    await until(() => announced.length === 1)
  })

  test('audit-sink pulls both audit streams, reads them by sequence, and its seals are heard', async () => {
    const lives = [gateway, issuer].map(({ nc }) => listen(nc, at.sealed))
    await bench.heard(gateway.nc, issuer.nc)
    assert.equal((await client(intake.nc).publish(at.audit('intent-gateway', 'i1', 'b1'), 'event')).stream, 'AUDIT')
    assert.equal((await client(gateway.nc).publish(at.audit('gateway', 'G', 'b1'), 'event')).stream, 'AUDIT_EDGE')
    for (const stream of ['AUDIT', 'AUDIT_EDGE'] as const) {
      const reader = await direct(sink.nc)
      await reads('event', async () => (await reader.getMessage(stream, { seq: 1 }))?.string())
      const pulled = await bind(sink.nc, stream, 'audit-sink').fetch({ bind: true, max_messages: 1, expires: 2000 })
      for await (const message of pulled) await message.ackAck()
      await until(async () => (await bench.messagesIn(stream)) === 0)
    }
    sink.nc.publish(at.sealed, 'checkpoint')
    await until(() => lives.every((live) => live.length === 1))
  })

  test('records are filed on condition, every version is kept, and they are announced', async () => {
    const announced = listen(evaluator.nc, at.stored(at.under('registry')))
    await bench.heard(evaluator.nc)
    const file = (value: string, lastSubjectSequence: number) =>
      client(intake.nc).publish(at.registry('gateway', 'G'), value, { expect: { lastSubjectSequence } })
    const { seq } = await file('version 1', 0)
    const second = await file('version 2', seq)
    await refusedWith(10071, file('version 2 of another replica', seq))
    await file('version 1', second.seq) // an old one, filed again by an intent-gateway gone bad
    const kept = ['version 1', 'version 2', 'version 1']
    for (const { nc } of [agent, gateway, approver, operator, evaluator])
      await reads(kept, () => history(nc, 'SIGNERS', at.registry('gateway', 'G')))
    await until(() => announced.length === 3)
  })

  test('keys, operators and policy are read by everyone, agents by services and operators', async () => {
    await client(issuer.nc).publish(at.registry('key', 'k1'), 'key')
    const filed = [at.registry('agent', 'A'), at.registry('operator', 'O'), at.registry('policy', 'active')]
    for (const subject of filed) await client(intake.nc).publish(subject, 'record')
    for (const { nc } of [agent, gateway, approver, operator, issuer])
      for (const subject of [at.registry('key', 'k1'), ...filed.slice(1)])
        await reads(1, async () => (await history(nc, 'SIGNERS', subject)).length)
    for (const { nc } of [operator, issuer])
      await reads(['record'], () => history(nc, 'REGISTRY', at.registry('agent', 'A')))
  })

  test('a bundle of 900 KiB is read by its digest; the first under a digest stays', async () => {
    const bundle = randomBytes(900 * 1024)
    const subject = at.bundle(createHash('sha256').update(bundle).digest('base64url'))
    await client(operator.nc).publish(subject, bundle)
    await refusedWith(10077, client(operator.nc).publish(subject, 'another'))
    await refusedWith(10054, client(operator.nc).publish(at.bundle('too-large'), Buffer.alloc(905 * 1024)))
    for (const { nc } of [evaluator, issuer, operator])
      await reads(true, async () => bundle.equals((await lastOf(nc, 'POLICIES', subject)) ?? Buffer.alloc(0)))
  })

  test('a redeem is answered by one of two issuers with its trace; without an issuer there is none at once', async () => {
    const other = await bench.login('token-issuer', 'i2')
    const answered: NatsConnection[] = []
    const serve = (nc: NatsConnection) =>
      nc.subscribe(`${at.prefix}redeem.*`, {
        queue: 'token-issuer',
        callback: (_, message) => {
          answered.push(nc)
          message.respond(`ok ${message.headers?.get('traceparent')}`)
        },
      })
    const subscriptions = [issuer.nc, other.nc].map(serve)
    await bench.heard(issuer.nc, other.nc)
    const traced = headers()
    traced.set('traceparent', '00-1-2-01')
    const ask = () => gateway.nc.request(at.redeem('G'), 'redeem', { timeout: 3000, headers: traced })
    for (let n = 0; n < 20; n++) assert.equal((await ask()).string(), 'ok 00-1-2-01')
    if (replicas === 1) assert.equal(new Set(answered).size, 2) // a cluster prefers the nearest
    assert.equal(answered.length, 20)
    for (const subscription of subscriptions) subscription.unsubscribe()
    await bench.heard(issuer.nc, other.nc)
    await assert.rejects(ask(), (error: Error & { isNoResponders?(): boolean }) => error.isNoResponders?.() === true)
    await other.nc.close()
  })

  test('approval, attest, command and query are answered across accounts, rpc and act inside one', async () => {
    const serve = ({ nc }: Party, subject: string, answer: (message: Msg) => void) =>
      nc.subscribe(subject, { queue: 'q', callback: (_, message) => answer(message) })
    const respond = (message: Msg) => void message.respond('answer')
    for (const subject of [at.approval(ANY), at.command(ANY), at.query(ANY, ANY)]) serve(intake, subject, respond)
    serve(verifier, at.attest(ANY, ANY), respond)
    const inside: [Party, string][] = [
      [evaluator, at.rpc('policy.decide')],
      [issuer, at.rpc('token')],
      [gateway, at.act('G', ANY)],
    ]
    for (const [party, subject] of inside)
      serve(party, subject, (message) => {
        const reply = at.answerOf(message)
        if (reply !== undefined) party.nc.publish(reply, 'answer')
      })
    await bench.heard(verifier.nc, intake.nc, evaluator.nc, issuer.nc, gateway.nc)
    const across: [Party, string][] = [
      [approver, at.approval('P')],
      [approver, at.query('approver', 'P')],
      [operator, at.command('O')],
      [operator, at.query('operator', 'O')],
      [agent, at.attest('agent', 'A')],
      [agent, at.query('agent', 'A')],
      [gateway, at.attest('gateway', 'G')],
    ]
    for (const [{ nc }, subject] of across)
      assert.equal((await nc.request(subject, 'ask', { timeout: 3000 })).string(), 'answer')
    const within: [Party, string, string][] = [
      [intake, at.rpc('policy.decide'), at.answer(at.rpc('policy.decide'), 'i1', 't1')],
      [intake, at.rpc('token.issue'), at.answer(at.rpc('token.issue'), 'i1', 't1')],
      [agent, at.act('G', 'A'), at.answer(at.act('G', 'A'), 't1')],
    ]
    for (const [{ nc }, subject, reply] of within)
      assert.equal((await nc.request(subject, 'ask', { noMux: true, reply, timeout: 3000 })).string(), 'answer')
  })

  test('pending and applied arrive live', async () => {
    const [pending, applied] = [listen(approver.nc, at.pending('P')), listen(operator.nc, at.applied(ANY))]
    await bench.heard(approver.nc, operator.nc)
    intake.nc.publish(at.pending('P'), 'please')
    gateway.nc.publish(at.applied('G'), 'applied')
    await until(() => pending.length === 1 && applied.length === 1)
  })

  test('a service asserts what it relies on, by the renamed STREAM.INFO', async () => {
    const { streams } = await jetstreamManager(evaluator.nc, { apiPrefix: STORE_API_PREFIX, checkAPI: false })
    for (const name of words('CONTROL SIGNERS REGISTRY POLICIES AUDIT AUDIT_EDGE KV_intents KV_uses')) {
      const { config } = await streams.info(name)
      const { discard, deny_delete, deny_purge, num_replicas } = config
      assert.deepEqual([discard, deny_delete, deny_purge, num_replicas], ['new', true, true, replicas], name)
    }
  })
})

const jsApi =
  words(`INFO STREAM.DELETE.AUDIT STREAM.PURGE.INTENTS STREAM.UPDATE.AUDIT STREAM.CREATE.X STREAM.MSG.GET.STATUS
  STREAM.MSG.DELETE.CONTROL STREAM.SNAPSHOT.AUDIT CONSUMER.CREATE.STATUS CONSUMER.CREATE.STATUS.x CONSUMER.CREATE.AUDIT.x.>
  CONSUMER.DURABLE.CREATE.PLANS.x CONSUMER.DELETE.PLANS.gateway-G CONSUMER.PAUSE.PLANS.gateway-G CONSUMER.INFO.PLANS.gateway-G
  CONSUMER.LIST.PLANS CONSUMER.MSG.NEXT.PLANS.gateway-H CONSUMER.MSG.NEXT.AUDIT.x DIRECT.GET.STATUS DIRECT.GET.POLICIES
  DIRECT.GET.KV_subject-keys STREAM.PURGE.KV_subject-keys STREAM.INFO.AUDIT`).map((name) => `$JS.API.${name}`)
const others =
  all(`intent.B act.G.B attest.agent.B query.agent.B approval.Q query.approver.Q pending.P status.A.i1 stored.status.A.i1
  plan.H redeem.H outcome.H report.H.d1 applied.H attest.gateway.H audit.gateway.H.b1 audit.token-issuer.i1.b1 command.Q control.Q
  stored.control.O query.operator.Q registry.agent.B registry.key.k2 stored.registry.key.k2 tick.i1 sealed rpc.token.issue
  rpc.policy.decide attestation.agent.A stored.attestation.agent.A answer.act.H.A.t1 answer.rpc.token.issue.i1.t1`)
const raw = [
  ...words(`$KV.intents.B.i1 $KV.uses.x $KV.subject-keys.kx $JS.ACK.PLANS.gateway-H.1.1.1.1.1 $JS.ACK.AUDIT.audit-sink.1.1.1.1.1
  $JS.FC.x $SYS.REQ.CLAIMS.UPDATE $SYS.REQ.SERVER.PING _INBOX_agent_B.x _INBOX_token-issuer_i1.x _R_.abcdef.ghijkl
  $JS.API.DIRECT.GET.KV_intents store.API.STREAM.INFO.AUDIT`),
  directGet('STATUS', at.status('B', 'i1')),
  directGet('REPORTS', at.report('G', 'd1')),
  directGet('KV_subject-keys', '$KV.subject-keys.kx'),
]
const wildcards = [
  ...words('> * writ.> _INBOX_agent_B.> _INBOX_*.> _R_.> $JS.> $KV.> $SYS.>'),
  ...all(`*.* status.*.* status.B.> plan.* intent.* approval.* redeem.* redeem.G outcome.* report.*.* control.* bundle.* audit.>
    act.*.* answer.> stored.> stored.registry.> stored.intents.> rpc.>`),
]
const records = ['agent.A', 'device.d1', 'approver.P'].map((id) => directGet('REGISTRY', `${at.prefix}registry.${id}`))
/** Operators may: an acknowledgement can be lost. */
const readBundle = directGet('POLICIES', at.bundle('x'))

/** Subjects that would delete, overwrite, inject or impersonate, if an answer were sent there. */
const targets = [
  ...words(`$JS.API.STREAM.DELETE.AUDIT $JS.API.STREAM.PURGE.INTENTS $JS.API.CONSUMER.DELETE.PLANS.gateway-G $KV.intents.B.i1 $KV.uses.x
    $KV.subject-keys.kx $JS.API.CONSUMER.DELETE.AUDIT.audit-sink $SYS.REQ.CLAIMS.UPDATE`),
  ...all(`intent.B control.Q bundle.Q outcome.H approval.Q report.H.d1 audit.gateway.H.b1 audit.token-issuer.i1.b1 registry.agent.B
    status.B.i1 plan.H tick.i2 attestation.agent.B redeem.H attest.agent.B command.Q query.agent.B rpc.token.issue sealed
    stored.control.Q`),
]
const LAST_VALUE_STREAMS: readonly StreamName[] = [
  'SIGNERS',
  'REGISTRY',
  'REPORTS',
  'POLICIES',
  'ATTESTATIONS',
  'KV_uses',
  'KV_intents',
  'KV_subject-keys',
]

describe('what must fail', () => {
  beforeAll(() => bench.placeSpies())
  afterAll(() => bench.removeSpies())

  const parties = () => ({ agent, gateway, approver, operator })
  for (const kind of PARTY_KINDS) {
    test(`${kind}: publishing to the JetStream API, others' subjects, inboxes, replies and buckets`, () =>
      bench.cannotPublish(parties()[kind], [...jsApi, ...others, ...raw]))
    test(`${kind}: subscribing to wildcards, others' subjects and inboxes, and answering redeems`, () =>
      bench.cannotSubscribe(parties()[kind], wildcards))
  }

  const beyond: Record<string, () => [Party, string[]]> = {
    agent: () => [
      agent,
      [...records, directGet('CONTROL'), directGet('REGISTRY'), readBundle, ...all('bundle.x report.G.d1')],
    ],
    gateway: () => [gateway, [...records, directGet('REGISTRY'), readBundle, ...all('intent.G control.G bundle.x')]],
    approver: () => [
      approver,
      [...records, directGet('CONTROL'), directGet('REGISTRY'), readBundle, ...all('control.P bundle.x intent.P')],
    ],
    'intent-gateway': () => [
      intake,
      [
        ...jsApi,
        '$KV.uses.x',
        ...all(`tick.i1 control.O bundle.x sealed attestation.agent.A redeem.G intent.A
    report.G.d1 audit.token-issuer.i1.b1 audit.intent-gateway.i2.b1 audit.gateway.G.b1 stored.control.O stored.status.A.i1`),
      ],
    ],
    'token-issuer': () => [
      issuer,
      [
        ...jsApi,
        '$KV.intents.A.i1',
        '$KV.subject-keys.kx',
        directGet('KV_subject-keys', '$KV.subject-keys.kx'),
        ...all(`tick.i2 control.O bundle.x registry.agent.A status.A.i1 plan.G
    sealed rpc.token.issue audit.audit-sink.i1.b1 answer.rpc.policy.decide.i1.t1`),
      ],
    ],
    'policy-evaluator': () => [
      evaluator,
      [
        ...jsApi,
        ...all('tick.i1 plan.G registry.policy.active bundle.x sealed'),
        ...words('$KV.intents.A.i1 $KV.uses.x $KV.subject-keys.kx _R_.a.b _INBOX_intent-gateway_i1.x'),
      ],
    ],
    'audit-sink': () => [
      sink,
      [
        ...jsApi,
        ...words('$KV.intents.A.i1 $KV.uses.x $KV.subject-keys.kx _R_.a.b'),
        directGet('KV_subject-keys', '$KV.subject-keys.kx'),
        ...all('audit.token-issuer.i1.b1 registry.agent.A tick.i1'),
      ],
    ],
    'attestation-verifier': () => [
      verifier,
      [
        ...jsApi,
        ...words('$KV.intents.A.i1 $KV.uses.x $KV.subject-keys.kx'),
        ...all('tick.i1 registry.agent.A plan.G sealed'),
      ],
    ],
  }
  for (const [name, attack] of Object.entries(beyond))
    test(`${name}: publishing beyond its own role`, () => bench.cannotPublish(...attack()))

  for (const [name, party] of Object.entries({
    'policy-evaluator': () => evaluator,
    'intent-gateway': () => intake,
    'audit-sink': () => sink,
  }))
    test(`${name}: taking others' requests and inboxes`, () =>
      bench.cannotSubscribe(party(), [
        ...all('redeem.* attest.*.*'),
        ...words('_R_.> _INBOX_token-issuer_i1.> > $KV.>'),
      ]))

  // Each request is the party's own right; only the reply subject, which the server does not check, is hostile.
  const say = (...tails: string[]) => tails.map((tail): [string, string] => [`${at.prefix}${tail}`, 'x'])
  const read = (stream: StreamName, subject: string): [string, string] => [directGet(stream, subject), '']
  const query = (stream: StreamName, body: object): [string, string] => [directGet(stream), JSON.stringify(body)]
  const pullNow = (stream: StreamName, name: string): [string, string] => [
    pullSubject(stream, name),
    '{"batch":1,"no_wait":true}',
  ]
  const vectors: Record<string, () => [Party, [string, string][]]> = {
    agent: () => [
      agent,
      [
        ...say('intent.A', 'query.agent.A', 'act.G.A'),
        read('STATUS', at.status('A', 'none')),
        read('STATUS', at.status('A', 'i1')),
        query('SIGNERS', { seq: 1, next_by_subj: at.registry('key', ANY) }),
      ],
    ],
    gateway: () => [
      gateway,
      [
        ...say('outcome.G', 'report.G.d1', 'audit.gateway.G.b1', 'attest.gateway.G'),
        pullNow('PLANS', 'gateway-G'),
        [ackSubject('PLANS', 'gateway-G').replace('>', '1.1.1.1.1'), '+ACK'],
        query('CONTROL', { seq: 99 }),
        query('CONTROL', { seq: 1 }),
      ],
    ],
    approver: () => [
      approver,
      [...say('approval.P', 'query.approver.P'), query('SIGNERS', { seq: 1 }), query('SIGNERS', { seq: 999 })],
    ],
    operator: () => [
      operator,
      [
        ...say('control.O', 'command.O', 'bundle.y'),
        query('REGISTRY', { multi_last: [at.under('registry')], batch: 9 }),
      ],
    ],
    'intent-gateway': () => [
      intake,
      [
        ...say('status.A.i9', 'rpc.policy.decide'),
        ['$KV.intents.A.i9', 'x'],
        ['$KV.subject-keys.k9', 'x'],
        read('KV_intents', '$KV.intents.none'),
        read('KV_subject-keys', '$KV.subject-keys.kx'),
        pullNow('INTENTS', 'intent-gateway'),
        [`${STORE_API_PREFIX}.STREAM.INFO.AUDIT`, ''],
      ],
    ],
    'token-issuer': () => [
      issuer,
      [
        ...say('tick.i1'),
        ['$KV.uses.y', 'x'],
        read('KV_uses', '$KV.uses.none'),
        read('POLICIES', at.bundle('y')),
        query('CONTROL', { seq: 99 }),
      ],
    ],
  }
  for (const [name, attack] of Object.entries(vectors))
    test(`${name}: reply subjects that would delete, overwrite, inject or impersonate`, async () => {
      const [party, requests] = attack()
      const isService = SERVICE_ROLES.some((role) => role === name)
      // On a cluster a service's hostile reply can reach EDGE as unsigned noise on `sealed`: readers check signatures.
      const hostile = targets.filter((subject) => !(isService && subject === at.sealed))
      await bench.hostileReplies(party, isService ? 'SVC' : 'EDGE', requests, hostile, LAST_VALUE_STREAMS)
    })

  test('act, rpc: an answer wanted where the answerer itself may publish is not given', async () => {
    await bench.clearSpies()
    const before = await bench.everything()
    const gatewayOwn = all('report.G.d1 outcome.G applied.G redeem.G audit.gateway.G.b1 answer.act.G.B.t1')
    const evaluatorOwn = all('registry.key.k1 audit.policy-evaluator.i1.b1')
    for (const reply of gatewayOwn) agent.nc.publish(at.act('G', 'A'), 'ask', { reply })
    for (const reply of evaluatorOwn) intake.nc.publish(at.rpc('policy.decide'), 'ask', { reply })
    await Promise.all([agent.nc.flush(), intake.nc.flush()])
    await bench.settle()
    for (const { seen } of bench.spies)
      assert.deepEqual(
        seen.filter((message) => message.string() === 'answer').map(({ subject }) => subject),
        [],
      )
    assert.deepEqual(await bench.everything(), before)
  })

  test("a gateway that fills AUDIT_EDGE: the services' AUDIT takes theirs, and audit-sink makes room again", async () => {
    const event = at.audit('gateway', 'G', 'b2')
    const { config, state } = await bench.jsm.streams.info('AUDIT_EDGE')
    await bench.jsm.streams.update('AUDIT_EDGE', { max_msgs: state.messages + 1 })
    await client(gateway.nc).publish(event, 'fills it')
    await refusedWith(10077, client(gateway.nc).publish(event, 'too much'))
    assert.equal((await client(intake.nc).publish(at.audit('intent-gateway', 'i1', 'b1'), 'event')).stream, 'AUDIT')
    const options = { bind: true, max_messages: state.messages + 1, expires: 2000 }
    for await (const message of await bind(sink.nc, 'AUDIT_EDGE', 'audit-sink').fetch(options)) await message.ackAck()
    await until(() =>
      client(gateway.nc)
        .publish(event, 'again')
        .then(
          () => true,
          () => false,
        ),
    )
    await bench.jsm.streams.update('AUDIT_EDGE', { max_msgs: config.max_msgs })
  })

  test('headers that roll up, expire, schedule, batch or trace', async () => {
    const before = await bench.everything()
    const hostile: [Party, string, string, string][] = [
      [agent, at.intent('A'), 'Nats-Rollup', 'all'],
      [agent, at.intent('A'), 'Nats-TTL', '1s'],
      [agent, at.intent('A'), 'Nats-Schedule', '@every 1s'],
      [operator, at.control('O'), 'Nats-Rollup', 'all'],
      [operator, at.bundle('x'), 'Nats-TTL', '1s'],
      [gateway, at.outcome('G'), 'Nats-Batch-Id', 'b'],
    ]
    for (const [{ nc }, subject, name, value] of hostile) {
      const withOne = headers()
      withOne.set(name, value)
      await assert.rejects(client(nc).publish(subject, 'x', { headers: withOne, timeout: 500 }), name)
    }
    await bench.clearSpies()
    const traced = headers()
    traced.set('Nats-Trace-Dest', at.intent('B'))
    agent.nc.publish(at.query('agent', 'A'), 'ask', { headers: traced })
    await agent.nc.flush()
    await bench.settle()
    assert(!bench.spies.some(({ seen }) => seen.some(({ subject }) => subject === at.intent('B'))))
    assert.deepEqual(await bench.everything(), before)
  })

  test('a withdrawn login: the connection closes, another is refused, nobody else is disturbed', async () => {
    const second = await createCredentials(nats.plane, 'agent', 'B')
    const system = await connectSystem(nats.plane)
    const undisturbed = bind(gateway.nc, 'PLANS', 'gateway-G').next({ expires: 5000 })
    await gateway.nc.flush()
    const closed = victim.nc.closed()
    assert.equal(await revokeCredentials(nats.plane, system, 'agent', 'B', Math.floor(Date.now() / 1000)), 2)
    assert.notEqual(await Promise.race([closed, sleep(5000, 'open')]), 'open')
    await client(intake.nc).publish(at.plan('G'), 'plan 3')
    assert.equal((await undisturbed)?.string(), 'plan 3')
    const again = connect({
      servers: nats.url.split(','),
      authenticator: credsAuthenticator(second.creds),
      reconnect: false,
    })
    await assert.rejects(again, { name: 'AuthorizationError' })
    const renewed = await nats.login('agent', 'B') // credentials made after that work
    await renewed.flush()
    await system.close()
  })
})
