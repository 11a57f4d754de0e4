import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { ANY, subjects } from '@writ/contracts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Stored } from './index.ts'
import { REGION, startTestPlane, type TestBus, type TestPlane, text, until } from './testing/test-plane.ts'

const at = subjects(REGION)
let plane: TestPlane
let operator: TestBus
let issuer: TestBus
let intake: TestBus
let gateway: TestBus

beforeAll(async () => {
  plane = await startTestPlane(process.env)
  ;[operator, issuer, intake, gateway] = await Promise.all([
    plane.connect('operator', 'O'),
    plane.connect('token-issuer', 'i1'),
    plane.connect('intent-gateway', 'i1'),
    plane.connect('gateway', 'G'),
  ])
}, 60_000)
afterAll(() => plane?.stop())

const command = (body: string) => operator.store(at.control('O'), body, { stream: 'CONTROL' })
const tick = () => issuer.store(at.tick('i1'), '', { stream: 'CONTROL', ttlSeconds: 60 })
async function collect(messages: AsyncIterable<Stored>): Promise<Stored[]> {
  const all: Stored[] = []
  for await (const message of messages) all.push(message)
  return all
}
const control = (batch: number, fromSeq = 1) =>
  collect(gateway.read('CONTROL', { fromSeq, filter: at.controlAll, batch }))

test('reads everything that matches, in order, to the end, whatever the size of a batch', async () => {
  const seqs: number[] = []
  for (let n = 0; n < 11; n++) {
    seqs.push((await command(`command ${n}`)).seq)
    await tick()
  }
  for (const batch of [1, 2, 5, 11, 256]) {
    const read = await control(batch)
    expect(read.map(({ seq }) => seq)).toEqual(seqs)
    expect(read.map(({ data }) => text(data))).toEqual(seqs.map((_, n) => `command ${n}`))
  }
  expect(await control(4, (seqs.at(-1) ?? 0) + 1)).toEqual([])
  expect(Math.abs(Date.now() - ((await control(256))[0]?.timeMs ?? 0))).toBeLessThan(60_000)
})

test('a stored message with hostile headers is read as it is, and ends nothing', async () => {
  const authenticator = credsAuthenticator(new TextEncoder().encode(await plane.credentials('operator', 'O')))
  const raw = await connect({ servers: plane.url, authenticator, inboxPrefix: '_INBOX_operator_O' })
  const { protocol } = raw as unknown as { protocol: { sendCommand(...parts: (string | Uint8Array)[]): void } }
  const before = await control(256)
  const blocks = [
    'NATS/1.0 404 Message Not Found\r\nNats-Sequence: 1\r\nNats-Subject: x\r\nNats-Last-Sequence: 7\r\n\r\n',
    'NATS/1.0\r\na: b\nc\r\nNats-Stream: x\r\n\r\n',
    'NATS/1.0\r\na b: c\r\n\r\n',
    'NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\n\r\n',
  ]
  for (const block of blocks) {
    const head = Buffer.from(block)
    protocol.sendCommand(`HPUB ${at.control('O')} ${head.length} ${head.length}\r\n`, head, Buffer.from('\r\n'))
  }
  await raw.flush()
  const { seq } = await command('after them')
  for (const batch of [1, 2, 256]) {
    const read = await control(batch)
    expect(read).toHaveLength(before.length + blocks.length + 1)
    expect(read.at(-1)).toMatchObject({ seq, subject: at.control('O'), stream: 'CONTROL', ttl: false })
    expect(new Set(read.map(({ subject }) => subject))).toEqual(new Set([at.control('O')]))
  }
  await raw.close()
})

test('the last value of every subject, also of more than the server lists at once', async () => {
  const file = (id: string, value: string) => intake.store(at.registry('agent', id), value, { stream: 'REGISTRY' })
  await Promise.all(Array.from({ length: 1000 }, (_, n) => file(`a${n}`, 'old')))
  await Promise.all(Array.from({ length: 1000 }, (_, n) => file(`a${n}`, `${n}`)))
  const lastOnes = async () => intake.lastFor('REGISTRY', [at.registry('agent', ANY), at.registry('device', ANY)])
  const listed = await lastOnes()
  expect(listed.map(({ data }) => text(data)).sort()).toEqual(Array.from({ length: 1000 }, (_, n) => `${n}`).sort())
  await Promise.all(Array.from({ length: 100 }, (_, n) => file(`more${n}`, 'more')))
  const all = await lastOnes()
  expect(all).toHaveLength(1100)
  expect(all.map(({ seq }) => seq)).toEqual(all.map(({ seq }) => seq).sort((a, b) => a - b))
  expect(await intake.lastFor('REGISTRY', [at.registry('approver', ANY)])).toEqual([])
}, 30_000)

test('a tail applies what is stored, each message once and in order, woken by the announcement', async () => {
  const applied: string[] = []
  const tail = await gateway.tail({
    stream: 'CONTROL',
    filters: [at.controlAll],
    wakeSubject: at.stored(at.controlAll),
    fromSeq: (await command('before')).seq + 1,
    apply: ({ data }) => void applied.push(text(data)),
    pollMs: 60_000,
  })
  for (let n = 0; n < 20; n++) await command(`${n}`)
  await until(() => applied.length === 20)
  expect(applied).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
  expect(await tail.catchUp()).toBe(tail.lastSeq)
  await tail.stop()
})

test('a tail that knows what is new reads for that alone, and then what it had passed over too', async () => {
  const applied: string[] = []
  const heard: number[] = []
  const { seq: before } = await command('before')
  const tail = await gateway.tail({
    stream: 'CONTROL',
    filters: [at.controlAll],
    wakeSubject: at.stored(at.controlAll),
    // What is announced has the sequence with it, and is asked about when its acknowledgement is here.
    wakes: ({ header }) => {
      const seq = Number(header('Nats-Sequence'))
      heard.push(seq)
      return seq > known
    },
    fromSeq: before + 1,
    apply: ({ data }) => void applied.push(text(data)),
    pollMs: 60_000,
  })
  let known = 0
  for (const own of ['own 1', 'own 2']) known = (await command(own)).seq
  await until(() => heard.includes(known))
  expect([applied, tail.lastSeq]).toEqual([[], before])
  await command('another’s')
  await until(() => applied.length === 3)
  expect(applied).toEqual(['own 1', 'own 2', 'another’s'])
  await tail.stop()
})

test('whoever catches up has everything applied that was stored before he asked, also with others at once', async () => {
  const applied: number[] = []
  const { seq: first } = await command('first')
  // No announcement and no poll: only catchUp reads.
  const tail = await gateway.tail({
    stream: 'CONTROL',
    filters: [at.controlAll, at.tick(ANY)],
    fromSeq: first + 1,
    apply: async ({ seq }) => {
      await new Promise(setImmediate)
      applied.push(seq)
    },
    pollMs: 60_000,
  })
  const rounds = Array.from({ length: 30 }, async (_, n) => {
    const { seq } = await (n % 3 === 0 ? tick() : command(`${n}`))
    const caughtUp = await Promise.all([tail.catchUp(), tail.catchUp()])
    expect(Math.min(...caughtUp)).toBeGreaterThanOrEqual(seq)
    expect(applied).toContain(seq)
  })
  await Promise.all(rounds)
  expect(applied).toEqual([...applied].sort((a, b) => a - b))
  expect(new Set(applied).size).toBe(30)
  await tail.stop()
})

test('a tail leaves out other subjects, and offers a message again that it could not apply', async () => {
  const applied: string[] = []
  const { seq } = await command('start')
  let failures = 1
  const tail = await gateway.tail({
    stream: 'CONTROL',
    filters: [at.control('O'), at.control('P')],
    fromSeq: seq + 1,
    apply: ({ data }) => {
      if (failures-- > 0) throw new Error('apply')
      applied.push(text(data))
    },
    pollMs: 60_000,
  })
  await tick()
  await command('one')
  const two = await command('two')
  await tick()
  await expect(tail.catchUp()).rejects.toThrow('apply')
  expect([await tail.catchUp(), applied]).toEqual([two.seq, ['one', 'two']])
  await tail.stop()
})

test('a reader whose server dies in the middle fails, and so does a tail; afterwards both read on', async () => {
  for (let n = 0; n < 20; n++) await command(`more ${n}`)
  const whole = await control(256)
  const applied: number[] = []
  const tail = await gateway.tail({
    stream: 'CONTROL',
    filters: [at.controlAll],
    wakeSubject: at.stored(at.controlAll),
    fromSeq: 1,
    apply: ({ seq }) => void applied.push(seq),
    pollMs: 60_000,
  })
  const read: number[] = []
  const reading = (async () => {
    for await (const { seq } of gateway.read('CONTROL', { fromSeq: 1, filter: at.controlAll, batch: 2 })) {
      read.push(seq)
      if (read.length === 5) await plane.kill()
    }
  })()
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' })
  expect(read.length).toBeLessThan(whole.length)
  await expect(tail.catchUp()).rejects.toMatchObject({ code: 'unavailable' })
  await expect(command('while it is away')).rejects.toMatchObject({ code: 'unavailable' })
  await plane.start()
  // Nobody asks: the reconnect itself makes it read.
  await until(() => applied.length === whole.length, 20_000)
  expect(applied).toEqual(whole.map(({ seq }) => seq))
  await until(() => operator.connected, 20_000)
  const { seq } = await command('again')
  await until(() => applied.at(-1) === seq)
  await tail.stop()
}, 60_000)
