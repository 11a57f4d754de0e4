import { setTimeout as sleep } from 'node:timers/promises'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { ANY, subjects } from '@writ/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newTrace, type Received, Unheard } from './index.ts'
import { REGION, startTestPlane, type TestBus, type TestPlane, text, until } from './testing/test-plane.ts'

const at = subjects(REGION)
let plane: TestPlane
let agent: TestBus
let gateway: TestBus
let intake: TestBus
let issuer: TestBus
const onFault = () => 'fault'

beforeAll(async () => {
  plane = await startTestPlane(process.env)
  ;[agent, gateway, intake, issuer] = await Promise.all([
    plane.connect('agent', 'A'),
    plane.connect('gateway', 'G'),
    plane.connect('intent-gateway', 'i1'),
    plane.connect('token-issuer', 'i1'),
  ])
}, 60_000)
afterAll(() => plane?.stop())

/** The agent's credential in the hands of somebody who does not use this package. */
const raw = async (kind: 'agent' | 'gateway' | 'intent-gateway', id: string): Promise<NatsConnection> =>
  connect({
    servers: plane.url,
    authenticator: credsAuthenticator(new TextEncoder().encode(await plane.credentials(kind, id))),
    inboxPrefix: `_INBOX_${kind}_${id}`,
  })

test('a request of another account is answered, once, with its trace', async () => {
  const seen: Received[] = []
  const other = await plane.connect('token-issuer', 'i2')
  const serving = await Promise.all(
    [issuer, other].map((bus) =>
      bus.serve(at.redeem(ANY), { queue: 'token-issuer', inFlightMax: 8, onFault }, async (request) => {
        seen.push(request)
        return `answer to ${text(request.data)}`
      }),
    ),
  )
  const trace = newTrace()
  for (let n = 0; n < 10; n++)
    expect(text(await gateway.request(at.redeem('G'), `redeem ${n}`, { trace }))).toBe(`answer to redeem ${n}`)
  expect(seen).toHaveLength(10)
  expect(seen.every((request) => request.trace?.traceparent === trace.traceparent)).toBe(true)
  await Promise.all(serving.map((one) => one.stop()))
  await expect(gateway.request(at.redeem('G'), 'redeem')).rejects.toBeInstanceOf(Unheard)
})

test('agents ask gateways and services ask services, each under its own answer subject', async () => {
  const replies: (string | undefined)[] = []
  const say = async ({ reply }: Received) => {
    replies.push(reply)
    return 'answer'
  }
  const evaluator = await plane.connect('policy-evaluator', 'e1')
  const serving = [
    await gateway.answer(at.act('G', ANY), { inFlightMax: 8, onFault }, say),
    await evaluator.answer(at.rpc('policy.decide'), { inFlightMax: 8, onFault }, say),
  ]
  expect(text(await agent.ask(at.act('G', 'A'), 'act'))).toBe('answer')
  expect(text(await intake.ask(at.rpc('policy.decide'), 'decide'))).toBe('answer')
  const expected = [at.answer(at.act('G', 'A'), 'x'), at.answer(at.rpc('policy.decide'), 'i1', 'x')]
  expect(replies.map((reply) => reply?.replace(/[^.]+$/, 'x'))).toEqual(expected)
  await Promise.all(serving.map((one) => one.stop()))
})

test('another gateway cannot answer an act, though it knows the token', async () => {
  const other = await raw('gateway', 'H')
  const serving = await gateway.answer(at.act('G', ANY), { inFlightMax: 8, onFault }, async ({ reply = '' }) => {
    other.publish(at.answer(at.act('H', 'A'), reply.split('.').at(-1) ?? ''), 'forged')
    other.publish(reply, 'forged')
    await other.flush()
    return 'answer'
  })
  for (let n = 0; n < 10; n++) expect(text(await agent.ask(at.act('G', 'A'), 'act'))).toBe('answer')
  await Promise.all([serving.stop(), other.close()])
})

test('an answer wanted where the answerer itself may publish is not given, nor is the request looked at', async () => {
  const handled: string[] = []
  const evaluator = await plane.connect('policy-evaluator', 'e2')
  const say = async ({ subject }: Received) => {
    handled.push(subject)
    return 'answer'
  }
  const serving = [
    await gateway.answer(at.act('G', ANY), { inFlightMax: 8, onFault }, say),
    await evaluator.serve(at.rpc('policy.decide'), { inFlightMax: 8, onFault }, say),
  ]
  const [hostile, insider] = [await raw('agent', 'A'), await raw('intent-gateway', 'i2')]
  const own = [at.report('G', 'd1'), at.outcome('G'), at.applied('G'), at.redeem('G'), at.answer(at.act('G', 'B'), 't')]
  for (const reply of own) hostile.publish(at.act('G', 'A'), 'act', { reply })
  hostile.publish(at.act('G', 'A'), 'act')
  await until(() => gateway.statuses.filter(({ type }) => type === 'unanswerable').length === own.length + 1)
  // Served for another account, asked from the own one.
  insider.publish(at.rpc('policy.decide'), 'decide', { reply: at.registry('key', 'k1') })
  await until(() => evaluator.statuses.some(({ type }) => type === 'unanswerable'))
  expect(handled).toEqual([])
  expect((await plane.store.request('$JS.API.STREAM.INFO.REPORTS', '')).json()).toMatchObject({
    state: { messages: 0 },
  })
  await Promise.all([...serving.map((one) => one.stop()), hostile.close(), insider.close()])
})

test('above its limit it says so, and beyond twice the limit nothing', async () => {
  const release: (() => void)[] = []
  const serving = await issuer.serve(
    at.redeem(ANY),
    { inFlightMax: 1, onFault: (_, error) => `fault: ${(error as { code: string }).code}` },
    () => new Promise((resolve) => release.push(() => resolve('answer'))),
  )
  const first = gateway.request(at.redeem('G'), 'first')
  await until(() => release.length === 1)
  expect(text(await gateway.request(at.redeem('G'), 'second'))).toBe('fault: unavailable')
  const stopped = serving.stop()
  release[0]?.()
  expect(text(await first)).toBe('answer')
  await stopped
})

test('a handler that fails, and an onFault that fails, are reported and stop nothing', async () => {
  let faults = 0
  const serving = await issuer.serve(
    at.redeem(ANY),
    {
      inFlightMax: 4,
      onFault: () => {
        faults += 1
        if (faults === 1) throw new Error('onFault')
        return 'fault'
      },
    },
    () => Promise.reject(new Error('handler')),
  )
  issuer.statuses.length = 0
  await expect(gateway.request(at.redeem('G'), 'x', { timeoutMs: 300 })).rejects.toMatchObject({ code: 'unavailable' })
  expect(text(await gateway.request(at.redeem('G'), 'x'))).toBe('fault')
  const errors = issuer.statuses.flatMap((status) => (status.type === 'error' ? [String(status.error)] : []))
  expect(errors).toEqual(['Error: handler', 'Error: onFault', 'Error: handler'])
  await serving.stop()
})

test('headers that the client library itself would not read stop no reader', async () => {
  const traces: (string | undefined)[] = []
  const serving = await issuer.serve(at.redeem(ANY), { inFlightMax: 4, onFault }, async ({ trace }) => {
    traces.push(trace?.traceparent)
    return 'answer'
  })
  const hostile = await raw('gateway', 'G')
  const send = (hostile as unknown as { protocol: { sendCommand(...parts: (string | Uint8Array)[]): void } }).protocol
  for (const line of ['a: b\nc', 'a b: c', 'traceparent: \n', '\u0000: x']) {
    const head = Buffer.from(`NATS/1.0\r\n${line}\r\n\r\n`)
    send.sendCommand(
      `HPUB ${at.redeem('G')} _INBOX_gateway_G.x ${head.length} ${head.length}\r\n`,
      head,
      Buffer.from('\r\n'),
    )
  }
  await until(() => traces.length === 4)
  expect(traces.every((trace) => trace === undefined)).toBe(true)
  expect(text(await gateway.request(at.redeem('G'), 'x'))).toBe('answer')
  await Promise.all([serving.stop(), hostile.close()])
})

test('a subscription that is not allowed fails; a callback that throws is reported and hears the next message', async () => {
  await expect(agent.subscribe(at.status('B', ANY), () => undefined)).rejects.toMatchObject({ code: 'unavailable' })
  const heard: string[] = []
  const listening = await agent.subscribe(at.status('A', ANY), (m) => {
    heard.push(`${text(m.data)} ${m.header('Nats-Sequence')}`)
    throw new Error('callback')
  })
  for (const n of [1, 2]) await intake.store(at.status('A', 'i1'), `status ${n}`, { stream: 'STATUS' })
  await until(() => heard.length === 2)
  expect(heard).toEqual(['status 1 1', 'status 2 2'])
  listening.unsubscribe()
  await intake.store(at.status('A', 'i1'), 'status 3', { stream: 'STATUS' })
  await sleep(50)
  expect(heard).toHaveLength(2)
})
