import { subjects } from '@writ/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BusStatus, connectBus } from './index.ts'
import { REGION, startTestPlane, type TestPlane, text, until } from './testing/test-plane.ts'

const at = subjects(REGION)
let plane: TestPlane

beforeAll(async () => {
  plane = await startTestPlane(process.env)
}, 60_000)
afterAll(() => plane?.stop())

const NOWHERE = 'nats://127.0.0.1:1'

test('without a server it fails, or waits until it is told to stop, and says why', async () => {
  const credentials = await plane.credentials('agent', 'A')
  const config = { servers: NOWHERE, credentials, region: REGION, kind: 'agent', id: 'A' } as const
  await expect(connectBus(config)).rejects.toMatchObject({ code: 'unavailable' })
  const statuses: BusStatus[] = []
  const abort = new AbortController()
  const told = new Error('told to stop')
  // The second time while it waits for the next try.
  const onStatus = (status: BusStatus) => {
    statuses.push(status)
    if (statuses.length === 2) setImmediate(() => abort.abort(told))
  }
  const waiting = connectBus({ ...config, waitOnFirstConnect: true, signal: abort.signal, onStatus })
  await expect(waiting).rejects.toBe(told)
  expect(statuses.map(({ type }) => type)).toEqual(['error', 'error'])
})

test('waits for a server that comes later', async () => {
  await plane.kill()
  const waiting = plane.connect('agent', 'A', { waitOnFirstConnect: true })
  await plane.start()
  const agent = await waiting
  expect([agent.connected, agent.statuses.at(-1)]).toEqual([true, { type: 'connected' }])
}, 60_000)

test('a login that is refused fails', async () => {
  const credentials = (await plane.credentials('agent', 'A')).replace(/[A-Za-z](?=[^\n]*\n-+END NATS)/, 'x')
  await expect(plane.connect('agent', 'A', { credentials })).rejects.toMatchObject({ code: 'unavailable' })
})

test('a credential that is withdrawn ends the connection, which tells so and never gives up', async () => {
  const gateway = await plane.connect('gateway', 'W')
  await plane.withdraw('gateway', 'W')
  const refusals = () => gateway.statuses.filter(({ type }) => type === 'error').length
  await until(() => !gateway.connected && refusals() > 3, 20_000)
  await expect(gateway.request(at.redeem('W'), 'x')).rejects.toMatchObject({ code: 'unavailable' })
  expect(gateway.statuses.map(({ type }) => type)).not.toContain('closed')
  await gateway[Symbol.asyncDispose]()
  expect(gateway.statuses.at(-1)).toEqual({ type: 'closed' })
}, 60_000)

test('while the server is away everything is unavailable at once; afterwards it goes on, subscriptions too', async () => {
  const [intake, agent] = await Promise.all([plane.connect('intent-gateway', 'i1'), plane.connect('agent', 'A')])
  const heard: string[] = []
  let reconnects = 0
  intake.onReconnect(() => {
    reconnects += 1
  })
  await agent.subscribe(at.status('A', 'i1'), ({ data }) => heard.push(text(data)))
  const unanswered = intake.ask(at.rpc('policy.decide'), 'x', { timeoutMs: 60_000 }).catch((error: unknown) => error)
  expect(await unanswered).toMatchObject({ code: 'unavailable' })
  await plane.kill()
  await until(() => !intake.connected && !agent.connected)
  await expect(intake.store(at.status('A', 'i1'), 'x', { stream: 'STATUS' })).rejects.toMatchObject({
    code: 'unavailable',
  })
  expect(() => intake.publish(at.pending('P'), 'x')).toThrow('no connection')
  const listening = await intake.subscribe(at.approval('P'), () => undefined)
  await plane.start()
  await until(() => intake.connected && agent.connected, 20_000)
  await intake.store(at.status('A', 'i1'), 'after', { stream: 'STATUS' })
  await until(() => heard.includes('after'))
  expect([heard, reconnects]).toEqual([['after'], 1])
  listening.unsubscribe()
}, 60_000)

test('a request under way when the connection is lost fails then, not at its time-out', async () => {
  const [issuer, gateway] = await Promise.all([plane.connect('token-issuer', 'i1'), plane.connect('gateway', 'G')])
  const never = { inFlightMax: 1, onFault: () => undefined }
  let asked = false
  await issuer.serve(at.redeem('G'), never, () => {
    asked = true
    return new Promise((resolve) => setTimeout(() => resolve('late'), 3000))
  })
  const asking = gateway.request(at.redeem('G'), 'x', { timeoutMs: 60_000 }).catch((error: unknown) => error)
  await until(() => asked)
  await plane.kill()
  expect(await asking).toMatchObject({ code: 'unavailable' })
  await plane.start()
}, 60_000)

test('holds only so many requests at a time', async () => {
  const [issuer, gateway] = await Promise.all([
    plane.connect('token-issuer', 'i1'),
    plane.connect('gateway', 'G', { inFlightMax: 1 }),
  ])
  await issuer.serve(at.redeem('G'), { inFlightMax: 8, onFault: () => undefined }, async () => 'answer')
  const [first, second] = await Promise.allSettled([1, 2].map(() => gateway.request(at.redeem('G'), 'x')))
  expect([first?.status, second?.status]).toEqual(['fulfilled', 'rejected'])
  expect(text(await gateway.request(at.redeem('G'), 'x'))).toBe('answer')
})

test('closing ends what it serves, also while the server is away', async () => {
  const gateway = await plane.connect('gateway', 'H')
  await gateway.tail({ stream: 'CONTROL', filters: [at.controlAll], fromSeq: 1, apply: () => undefined })
  await plane.kill()
  await until(() => !gateway.connected)
  await gateway[Symbol.asyncDispose]()
  expect(gateway.statuses.at(-1)).toEqual({ type: 'closed' })
  await expect(gateway.request(at.redeem('H'), 'x')).rejects.toMatchObject({ code: 'unavailable' })
  await plane.start()
}, 60_000)
