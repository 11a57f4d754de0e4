import { randomBytes } from 'node:crypto'
import { ANY, subjects } from '@writ/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bus } from './index.ts'
import { REGION, startTestPlane, type TestBus, type TestPlane, text } from './testing/test-plane.ts'

const at = subjects(REGION)
let plane: TestPlane
let intake: TestBus
let operator: TestBus

beforeAll(async () => {
  plane = await startTestPlane(process.env)
  ;[intake, operator] = await Promise.all([plane.connect('intent-gateway', 'i1'), plane.connect('operator', 'O')])
}, 60_000)
afterAll(() => plane?.stop())

describe('store', () => {
  test('returns the sequence that the stream of the other account gave', async () => {
    const { seq } = await operator.store(at.control('O'), 'genesis', {
      stream: 'CONTROL',
      expectLast: { seq: 0, subject: at.controlAll },
    })
    expect(seq).toBe(1)
    expect(text((await operator.lastBySubject('CONTROL', at.controlAll))?.data)).toBe('genesis')
  })

  test('says that another message came first, and stores nothing', async () => {
    const stale = operator.store(at.control('O'), 'stale', {
      stream: 'CONTROL',
      expectLast: { seq: 0, subject: at.controlAll },
    })
    await expect(stale).rejects.toMatchObject({ refusal: 'wrong-last-sequence', code: 'unavailable' })
    expect((await operator.lastBySubject('CONTROL', at.controlAll))?.seq).toBe(1)
  })

  test('says that a subject is full', async () => {
    const bundle = randomBytes(900 * 1024)
    await operator.store(at.bundle('b1'), bundle, { stream: 'POLICIES' })
    const second = operator.store(at.bundle('b1'), 'another', { stream: 'POLICIES' })
    await expect(second).rejects.toMatchObject({ refusal: 'full', code: 'unavailable' })
    expect(bundle.equals((await operator.last('POLICIES', at.bundle('b1')))?.data ?? new Uint8Array())).toBe(true)
  })

  test.each([
    ['the stream', 905 * 1024],
    ['the server', 1024 * 1024 + 1],
  ])('says that a message is too large for %s', async (_, bytes) => {
    const large = operator.store(at.bundle('b2'), Buffer.alloc(bytes), { stream: 'POLICIES' })
    await expect(large).rejects.toMatchObject({ refusal: 'too-large', code: 'too_large' })
  })

  test('does not take the acknowledgement of another stream for its own', async () => {
    const elsewhere = intake.store(at.plan('G'), 'plan', { stream: 'STATUS' })
    await expect(elsewhere).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('fails at once, and tells, when the server does not allow the subject', async () => {
    const before = performance.now()
    await expect(operator.store(at.control('Q'), 'x', { stream: 'CONTROL' })).rejects.toMatchObject({
      code: 'unavailable',
    })
    expect(performance.now() - before).toBeLessThan(2000)
    expect(operator.statuses).toContainEqual({ type: 'refused', operation: 'publish', subject: at.control('Q') })
  })

  test('fails at once where no stream listens', async () => {
    const nowhere = intake.store(at.status('A', 'i1'), 'x', { stream: 'STATUS' })
    await expect(nowhere).resolves.toMatchObject({ seq: expect.any(Number) })
    await expect(intake.request(at.rpc('policy.decide'), 'x')).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('marks what vanishes by its own header', async () => {
    const issuer = await plane.connect('token-issuer', 'i1')
    await issuer.store(at.tick('i1'), '', { stream: 'CONTROL', ttlSeconds: 60 })
    expect((await issuer.lastBySubject('CONTROL', at.tick('i1')))?.ttl).toBe(true)
    expect((await issuer.lastBySubject('CONTROL', at.controlAll))?.ttl).toBe(false)
  })
})

describe('bucket', () => {
  const uses = (bus: Bus) => bus.bucket('uses')

  test('of many who create a key one does, whoever they are', async () => {
    const issuers = await Promise.all(['c1', 'c2', 'c3'].map((id) => plane.connect('token-issuer', id)))
    const claims = [...issuers, ...issuers, ...issuers].map((bus, n) => uses(bus).create('plan1/s0/1', `claim ${n}`))
    const outcomes = await Promise.all(claims)
    const winners = outcomes.flatMap((outcome, n) => (outcome === 'exists' ? [] : [`claim ${n}`]))
    expect(winners).toHaveLength(1)
    expect(text((await uses(issuers[0] as Bus).get('plan1/s0/1'))?.value)).toBe(winners[0])
  })

  test('updates only the revision that was named', async () => {
    const intents = intake.bucket('intents')
    const first = await intents.create('A.i1', 'accepted')
    const second = await intents.update('A.i1', 'approved', Number(first))
    expect(await intents.update('A.i1', 'stale', Number(first))).toBe('stale')
    expect(await intents.get('A.i1')).toMatchObject({ revision: second, value: Buffer.from('approved') })
  })

  test('a deleted key has no value, is not listed, and can be created again by one', async () => {
    const intents = intake.bucket('intents')
    await intents.put('A.i2', 'value')
    await intents.delete('A.i2')
    expect(await intents.get('A.i2')).toBeUndefined()
    const keys: string[] = []
    for await (const { key } of intents.entries()) keys.push(key)
    expect(keys).not.toContain('A.i2')
    const again = await Promise.all([1, 2, 3].map((n) => intents.create('A.i2', `again ${n}`)))
    expect(again.filter((outcome) => outcome !== 'exists')).toHaveLength(1)
  })

  test('refuses a key that would be another subject', async () => {
    for (const key of ['', '*', 'a.>', 'a b', '.a', 'a..b', 'a.'])
      await expect(async () => intake.bucket('intents').get(key)).rejects.toMatchObject({ code: 'malformed' })
  })
})

test('services read stream settings and counts', async () => {
  const { config, lastSeq } = await intake.streamInfo('CONTROL')
  expect([config['discard'], config['deny_delete'], lastSeq]).toEqual(['new', true, expect.any(Number)])
})

test('an empty subject has no last message, and a stream that may not be read is no empty one', async () => {
  const agent = await plane.connect('agent', 'A')
  expect(await agent.last('STATUS', at.status('A', 'none'))).toBeUndefined()
  await expect(agent.last('STATUS', at.status('B', 'none'))).rejects.toMatchObject({ code: 'unavailable' })
  await expect(agent.lastBySubject('CONTROL', at.control(ANY))).rejects.toMatchObject({ code: 'unavailable' })
})
