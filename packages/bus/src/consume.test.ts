import { jetstreamManager } from '@nats-io/jetstream'
import { subjects } from '@writ/contracts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Delivery } from './index.ts'
import { REGION, startTestPlane, type TestBus, type TestPlane, text, until } from './testing/test-plane.ts'

const at = subjects(REGION)
let plane: TestPlane
let intake: TestBus
let gateway: TestBus

beforeAll(async () => {
  plane = await startTestPlane(process.env, ['G'])
  ;[intake, gateway] = await Promise.all([plane.connect('intent-gateway', 'i1'), plane.connect('gateway', 'G')])
}, 60_000)
afterAll(() => plane?.stop())
beforeEach(async () => {
  await (await jetstreamManager(plane.store)).streams.purge('PLANS')
})

const PLANS = { stream: 'PLANS', consumer: 'gateway-G' } as const
const plan = (body: string) => intake.store(at.plan('G'), body, { stream: 'PLANS' })
const waiting = async () =>
  (await jetstreamManager(plane.store)).streams.info('PLANS').then(({ state }) => state.messages)
/** How long the server waits for an acknowledgement. */
const ackWait = async (ms: number) =>
  (await jetstreamManager(plane.store)).consumers.update('PLANS', 'gateway-G', { ack_wait: ms * 1e6 })

test('delivers each message, with its place in the stream, and its acknowledgement is confirmed', async () => {
  const seen: Delivery[] = []
  const confirmed: boolean[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 4 }, async (delivery) => {
    seen.push(delivery)
    confirmed.push(await delivery.ack())
  })
  const stored = [await plan('0'), await plan('1')]
  for (let n = 2; n < 20; n++) stored.push(await plan(`${n}`))
  await until(() => confirmed.length === 20)
  expect(seen.map(({ seq, subject, deliveryCount }) => ({ seq, subject, deliveryCount }))).toEqual(
    stored.map(({ seq }) => ({ seq, subject: at.plan('G'), deliveryCount: 1 })),
  )
  expect(seen.map(({ data }) => text(data))).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
  expect([confirmed.every(Boolean), await waiting()]).toEqual([true, 0])
  await consuming.stop()
})

test('a message without a byte keeps nothing back that comes after it', async () => {
  const handled: string[] = []
  for (const body of ['a', '', 'b', '', '', 'c']) await plan(body)
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 16 }, async (delivery) => {
    handled.push(text(delivery.data))
    await delivery.ack()
  })
  await until(async () => (await waiting()) === 0, 2000)
  for (const body of ['', 'd']) await plan(body)
  await until(async () => (await waiting()) === 0, 2000)
  expect(handled.toSorted()).toEqual(['', '', '', '', 'a', 'b', 'c', 'd'])
  await consuming.stop()
})

test('holds no more in hand than its limit, and fetches none before there is room', async () => {
  const release: (() => void)[] = []
  let [inHand, most] = [0, 0]
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 3 }, async (delivery) => {
    most = Math.max(most, ++inHand)
    await new Promise<void>((resolve) => release.push(resolve))
    inHand -= 1
    await delivery.ack()
  })
  for (let n = 0; n < 10; n++) await plan(`${n}`)
  await until(() => inHand === 3)
  const { num_ack_pending } = await (await jetstreamManager(plane.store)).consumers.info('PLANS', 'gateway-G')
  expect(num_ack_pending).toBe(3)
  await until(async () => {
    for (const done of release.splice(0)) done()
    return (await waiting()) === 0
  })
  expect(most).toBe(3)
  await consuming.stop()
})

test('in batches: each message once, no more in hand than the limit, and what is settled is gone', async () => {
  const seen: string[] = []
  let [inHand, most] = [0, 0]
  const release: (() => void)[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 20, batch: 8 }, async (delivery) => {
    most = Math.max(most, ++inHand)
    await new Promise<void>((resolve) => release.push(resolve))
    inHand -= 1
    seen.push(text(delivery.data))
    delivery.settle()
  })
  const bodies = Array.from({ length: 100 }, (_, n) => `${n}`)
  for (const body of bodies) await plan(body)
  await until(async () => {
    for (const done of release.splice(0)) done()
    return (await waiting()) === 0
  })
  expect(seen.toSorted()).toEqual(bodies.toSorted())
  expect(most).toBeLessThanOrEqual(20)
  await consuming.stop()
})

test('in batches, pulls that expire half filled make room for others', async () => {
  const seen: string[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 8, batch: 8, expiresMs: 1000 }, async (delivery) => {
    seen.push(text(delivery.data))
    await delivery.ack()
  })
  for (const body of ['a', 'b', 'c']) await plan(body)
  await until(() => seen.length === 3)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  for (let n = 0; n < 20; n++) await plan(`${n}`)
  await until(async () => (await waiting()) === 0, 2000)
  expect(seen).toHaveLength(23)
  await consuming.stop()
})

test('working holds a message beyond ack_wait; term ends it; nak and a failed handler bring it again', async () => {
  await ackWait(500)
  const counts = new Map<string, number[]>()
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 8 }, async (delivery) => {
    const body = text(delivery.data)
    counts.set(body, [...(counts.get(body) ?? []), delivery.deliveryCount])
    if (body === 'long') {
      for (let n = 0; n < 6; n++) {
        delivery.working()
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      await delivery.ack()
    } else if (body === 'bad') delivery.term('refused')
    else if (delivery.deliveryCount > 1) await delivery.ack()
    else if (body === 'later') delivery.nak(50)
    else throw new Error('handler')
  })
  for (const body of ['long', 'bad', 'later', 'failing']) await plan(body)
  await until(async () => (await waiting()) === 0)
  expect(Object.fromEntries(counts)).toEqual({ long: [1], bad: [1], later: [1, 2], failing: [1, 2] })
  await consuming.stop()
  await ackWait(30_000)
})

test('stops when what is in hand has ended, and leaves the rest to the next at once', async () => {
  const release: (() => void)[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 4 }, async (delivery) => {
    await new Promise<void>((resolve) => release.push(resolve))
    await delivery.ack()
  })
  await plan('in hand')
  await until(() => release.length === 1)
  let stopped = false
  const stopping = consuming.stop().then(() => {
    stopped = true
  })
  await gateway.request(at.redeem('G'), '').catch(() => undefined)
  expect(stopped).toBe(false)
  release[0]?.()
  await stopping
  expect(await waiting()).toBe(0)
  // The pull that was stopped waits for three more: nobody listens to it now.
  const started = performance.now()
  const next: string[] = []
  const again = gateway.consume({ ...PLANS, inFlightMax: 1 }, async (delivery) => {
    next.push(text(delivery.data))
    await delivery.ack()
  })
  for (const body of ['a', 'b', 'c', 'd']) await plan(body)
  await until(() => next.length === 4)
  expect(performance.now() - started).toBeLessThan(3000)
  await again.stop()
})

test('pulls on when a pull expires, and says when there is no such consumer', async () => {
  const seen: string[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 2, expiresMs: 1000 }, async (delivery) => {
    seen.push(text(delivery.data))
    await delivery.ack()
  })
  await new Promise((resolve) => setTimeout(resolve, 2500))
  await plan('after two pulls')
  await until(() => seen.length === 1, 1000)
  await consuming.stop()
  gateway.statuses.length = 0
  const nowhere = intake.consume({ stream: 'INTENTS', consumer: 'nobody', inFlightMax: 1 }, async () => undefined)
  await until(() => intake.statuses.some(({ type }) => type === 'error' || type === 'refused'))
  await nowhere.stop()
})

test('goes on after the server was killed and started again, without being told', async () => {
  const handled: string[] = []
  const consuming = gateway.consume({ ...PLANS, inFlightMax: 4 }, async (delivery) => {
    handled.push(text(delivery.data))
    await delivery.ack()
  })
  await plan('before')
  await until(() => handled.length === 1)
  await plane.kill()
  await until(() => !gateway.connected)
  await plane.start()
  await until(() => intake.connected, 20_000)
  await plan('after')
  await until(() => handled.includes('after'), 20_000)
  expect(gateway.statuses.map(({ type }) => type)).toEqual(expect.arrayContaining(['disconnected', 'reconnected']))
  await consuming.stop()
}, 60_000)
