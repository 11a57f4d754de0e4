import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AUDIT_BYTES_MAX, type AuditMessage, auditMessage, Fault, type Sealed } from '@writ/contracts'
import type { JournalFile } from '@writ/durable'
import { digestOf, ephemeralSigner, openMessage, signJws, verifyJws } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AuditSource } from './audit-source.ts'
import type { AuditSourceOptions } from './audit-source-options.ts'
import type { Clock } from './clock.ts'
import { auditEvent } from './events.ts'
import { Outbox } from './outbox.ts'

let dir: string
let clock: ManualClock
let stream: FakeStream
const signer = ephemeralSigner()
const running: AuditSource[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-source-'))
  clock = new ManualClock()
  stream = new FakeStream()
})
afterEach(async () => {
  stream.refuse = false
  for (const source of running.splice(0)) await stopped(source)
  await rm(dir, { recursive: true, force: true })
})

class ManualClock implements Clock {
  now = 1_800_000_000_000
  timers: { at: number; task: () => void }[] = []
  nowMs() {
    return this.now
  }
  after(delayMs: number, task: () => void) {
    const timer = { at: this.now + delayMs, task }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter((other) => other !== timer)
    }
  }
  advance(ms: number) {
    const until = this.now + ms
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.now = Math.max(this.now, due.at)
      this.timers = this.timers.filter((other) => other !== due)
      due.task()
    }
    this.now = until
  }
}

/** What the flushed stream stores, in order. Refuses while `refuse`, and loses the answer while `loseAnswers`. */
class FakeStream {
  stored: { subject: string; text: string }[] = []
  refuse = false
  loseAnswers = false
  inFlight = 0
  inFlightMax = 0
  gate: Promise<void> | undefined
  publish = async (subject: string, bytes: Uint8Array) => {
    this.inFlight += 1
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight)
    await this.gate
    this.inFlight -= 1
    if (this.refuse) throw new Error('no responders')
    this.stored.push({ subject, text: Buffer.from(bytes).toString() })
    if (this.loseAnswers) throw new Error('timeout')
  }
  messages(): AuditMessage[] {
    return this.stored.map(({ text }) => {
      const { jws, claims } = openMessage(auditMessage, text)
      verifyJws(jws, signer.jwk)
      return claims
    })
  }
  types(): string[] {
    return this.messages().flatMap(({ events }) => events.map(({ type }) => type))
  }
}

function options(boot: string, more: Partial<AuditSourceOptions> = {}): AuditSourceOptions {
  return {
    dir,
    region: 'r1',
    role: 'token-issuer',
    instance: 'ti-0',
    boot,
    signer,
    publish: stream.publish,
    verifySealed: (body) => JSON.parse(Buffer.from(body).toString()) as Sealed,
    verifyCheckpoint: () => {},
    report: () => {},
    clock,
    ...more,
  }
}

async function start(boot: string, more: Partial<AuditSourceOptions> = {}): Promise<AuditSource> {
  const source = await AuditSource.start(options(boot, more))
  running.push(source)
  return source
}

/** Without waiting for the bus: what `kill -9` would leave is the same files. */
async function stopped(source: AuditSource): Promise<void> {
  const stopping = source.stop(1)
  clock.advance(1)
  await stopping
}

const redeemed = (n: number, text = '') =>
  auditEvent('token.redeemed', {
    gateway_id: 'gw-1',
    token_id: `t${n}`,
    plan_id: 'p1',
    documents: [],
    detail: { n, text },
  })
const sealedBody = (heads: Record<string, number>) =>
  Buffer.from(JSON.stringify({ iss: 'audit-sink', aud: 'writ:r1', iat: 1, checkpoint: 'note', heads }))
const name = (boot: string) => `token-issuer/ti-0/${boot}`

describe('the chain', () => {
  test('starts with source.started and the endorsement, is numbered from 0 by one, and names the message before', async () => {
    const endorsement = await signJws(signer, 'writ-key+jwt', {})
    const source = await start('b1', { endorsement })
    await source.started
    await source.record([redeemed(1)])
    await source.record([redeemed(2)])
    const messages = stream.messages()
    expect(messages.map(({ seq }) => seq)).toEqual([0, 1, 2])
    expect(messages.map(({ prev }) => prev)).toEqual([
      undefined,
      ...stream.stored.slice(0, 2).map(({ text }) => digestOf(text)),
    ])
    expect(messages[0]?.events).toMatchObject([
      { type: 'source.started', documents: [{ typ: 'writ-key+jwt', jws: endorsement }] },
    ])
    expect(stream.stored[0]?.subject).toBe('writ.v1.r1.audit.token-issuer.ti-0.b1')
    expect(messages[0]).toMatchObject({ iss: 'token-issuer', aud: 'writ:r1', source: name('b1') })
  })

  test('a gateway signs under its own id', async () => {
    const source = await start('b1', { role: 'gateway', instance: 'gw-1' })
    await source.started
    expect(stream.messages()[0]).toMatchObject({ iss: 'gw-1', source: 'gateway/gw-1/b1' })
    expect(stream.stored[0]?.subject).toBe('writ.v1.r1.audit.gateway.gw-1.b1')
  })

  test('nothing is sent and nothing resolves before source.started is durable', async () => {
    stream.refuse = true
    const source = await start('b1')
    let recorded = false
    const record = source.record([redeemed(1)]).then(() => {
      recorded = true
    })
    await vi.waitFor(() => expect(source.stats.away).toBe(true))
    expect(recorded).toBe(false)
    stream.refuse = false
    clock.advance(100)
    await source.started
    await record
    expect(stream.types()).toEqual(['source.started', 'token.redeemed'])
  })

  test('events that wait share messages of at most 64, in order, with one in flight at a time', async () => {
    const source = await start('b1')
    await source.started
    await Promise.all(Array.from({ length: 1000 }, (_, n) => source.record([redeemed(n)])))
    const messages = stream.messages()
    expect(messages.length).toBeLessThan(25)
    expect(Math.max(...messages.map(({ events }) => events.length))).toBe(64)
    expect(messages.flatMap(({ events }) => events.slice(0).map(({ detail }) => detail?.['n'])).slice(1)).toEqual(
      Array.from({ length: 1000 }, (_, n) => n),
    )
    expect(stream.inFlightMax).toBe(1)
  })

  test('G5: what is kept is on the disk, also while a message in flight is not answered: kill -9 does not lose it', async () => {
    const source = await start('b1')
    await source.started
    stream.gate = new Promise(() => undefined)
    for (const n of [1, 2]) source.record([redeemed(n)]).catch(() => undefined)
    await vi.waitFor(() => expect(stream.inFlight).toBe(1))
    await source.keep([redeemed(3)])
    const left = await Outbox.open(join(dir, (await readdir(dir)).find((file) => file.endsWith('b1.outbox')) ?? ''))
    const kept = left.uncovered.flatMap(({ bytes }) => openMessage(auditMessage, bytes).claims.events)
    await left.close()
    expect(kept.map(({ detail }) => detail?.['n'])).toEqual([undefined, 1, 2, 3])
  })

  test('batches split below 64,000 bytes, and what fits alone exactly is taken', async () => {
    const source = await start('b1')
    await source.started
    await Promise.all(Array.from({ length: 50 }, (_, n) => source.record([redeemed(n, 'x'.repeat(5000 + n * 37))])))
    let fits = 0
    for (let high = 64_000; fits < high; ) {
      const size = (fits + high + 1) >> 1
      const taken = await source.record([redeemed(0, 'x'.repeat(size))]).then(
        () => true,
        (fault: Fault) => fault.code !== 'too_large',
      )
      if (taken) fits = size
      else high = size - 1
    }
    const sizes = stream.stored.map(({ text }) => text.length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(AUDIT_BYTES_MAX)
    expect(Math.max(...sizes)).toBeGreaterThan(AUDIT_BYTES_MAX - 64)
    expect(() => source.recordLater([redeemed(0, 'x'.repeat(fits + 1))])).toThrow(Fault)
  })

  test('an event that does not fit the contract is refused before it can spoil a message', async () => {
    const source = await start('b1')
    await source.started
    const wrong = { ...redeemed(1), user: 'Jane Doe' }
    await expect(source.record([wrong])).rejects.toMatchObject({ code: 'internal' })
    await expect(source.record([{ ...redeemed(1), detail: { n: 2 ** 53 } }])).rejects.toMatchObject({
      code: 'malformed',
    })
    await source.record([redeemed(2)])
    expect(stream.types()).toEqual(['source.started', 'token.redeemed'])
  })

  test('event ids are UUIDv7 of the time, and times are UTC with milliseconds', async () => {
    const source = await start('b1')
    await source.started
    const event = stream.messages()[0]?.events[0]
    expect(event?.timestamp).toBe(new Date(clock.now).toISOString())
    expect(Number.parseInt(event?.event_id.replaceAll('-', '').slice(0, 12) ?? '', 16)).toBe(clock.now)
  })
})

describe('when the bus fails', () => {
  test('the same bytes are sent until they are acknowledged, also when only the answer was lost', async () => {
    const source = await start('b1')
    await source.started
    stream.loseAnswers = true
    const record = source.record([redeemed(1)])
    await vi.waitFor(() => expect(stream.stored).toHaveLength(2))
    clock.advance(100)
    await vi.waitFor(() => expect(stream.stored).toHaveLength(3))
    stream.loseAnswers = false
    clock.advance(200)
    await record
    expect(new Set(stream.stored.slice(1).map(({ text }) => text)).size).toBe(1)
  })

  test('what is recorded beside goes to the disk and is sent by the next boot, byte for byte and first', async () => {
    const first = await start('b1')
    await first.started
    stream.refuse = true
    for (let n = 0; n < 10; n++) first.recordLater([redeemed(n)])
    await vi.waitFor(() => expect(first.stats).toMatchObject({ waiting: 0, away: true }))
    await stopped(first)
    stream.refuse = false
    const second = await start('b2')
    await second.started
    const messages = stream.messages()
    const resent = messages.slice(1).filter(({ source }) => source === name('b1'))
    expect(resent.map(({ seq }) => seq)).toEqual(resent.map((_, i) => i))
    expect(stream.stored[1]).toEqual(stream.stored[0])
    expect(resent.flatMap(({ events }) => events.map(({ type }) => type))).toEqual([
      'source.started',
      ...Array(10).fill('token.redeemed'),
      'source.stopped',
    ])
    expect(messages.at(-1)).toMatchObject({ source: name('b2'), seq: 0 })
    const last = stream.stored.at(-2)?.text ?? ''
    expect(messages.at(-1)?.events[0]?.detail).toEqual({
      previous: { source: name('b1'), seq: resent.length - 1, digest: digestOf(last) },
    })
  })

  test('a record that is not durable in time is refused, and may still reach the log', async () => {
    const source = await start('b1')
    await source.started
    stream.refuse = true
    const record = source.record([redeemed(1)], 500)
    await vi.waitFor(() => expect(source.stats.away).toBe(true))
    clock.advance(500)
    await expect(record).rejects.toMatchObject({ code: 'unavailable' })
    stream.refuse = false
    clock.advance(5000)
    await vi.waitFor(() => expect(stream.types()).toContain('token.redeemed'))
  })

  test('a full outbox refuses effects first and leaves room for what follows from those that began', async () => {
    const source = await start('b1', { outboxBytesMax: 40_000 })
    await source.started
    stream.refuse = true
    const later = async () => {
      source.recordLater([redeemed(1, 'x'.repeat(5000))])
      await vi.waitFor(() => expect(source.stats.waiting).toBe(0))
    }
    await later()
    await vi.waitFor(() => expect(source.stats.away).toBe(true))
    while (source.stats.uncoveredBytes <= 30_000) await later()
    await expect(source.record([redeemed(2)])).rejects.toMatchObject({ code: 'unavailable' })
    await later()
    await expect(
      (async () => {
        for (let n = 0; n < 10; n++) await later()
      })(),
    ).rejects.toMatchObject({ code: 'unavailable' })
    expect(source.stats.uncoveredBytes).toBeLessThan(60_000)
  })

  test('a full outbox refuses the start of a step and still takes its end', async () => {
    const source = await start('b1', { outboxBytesMax: 40_000 })
    await source.started
    stream.refuse = true
    const step = (token: number) => [redeemed(token, 'x'.repeat(2500))]
    await expect(
      (async () => {
        for (let n = 0; n < 40; n++) await source.keep(step(n))
      })(),
    ).rejects.toMatchObject({ code: 'unavailable' })
    expect(source.stats.uncoveredBytes).toBeLessThan(40_000)
    await source.keepHappened([redeemed(41)])
    expect(source.stats.waiting).toBe(0)
  })

  test('a failing disk refuses the record, sends nothing of it, and what ran beside is tried again', async () => {
    let full = false
    const wrapFile = (file: JournalFile): JournalFile => ({
      ...file,
      write: (bytes, at) =>
        full ? Promise.reject(Object.assign(new Error(), { code: 'ENOSPC' })) : file.write(bytes, at),
    })
    const source = await start('b1', { journal: { wrapFile } })
    await source.started
    full = true
    const record = source.record([redeemed(1)])
    source.recordLater([redeemed(2)])
    await expect(record).rejects.toMatchObject({ code: 'unavailable' })
    expect(stream.stored).toHaveLength(1)
    full = false
    clock.advance(1000)
    await vi.waitFor(() => expect(stream.stored).toHaveLength(2))
    expect(stream.messages()[1]).toMatchObject({ seq: 1, events: [{ token_id: 't2' }] })
  })
})

describe('what the log covers', () => {
  test('is let go only when both signatures verify', async () => {
    let sealedIsGood = false
    let checkpointIsGood = false
    const bad = () => {
      throw new Fault('bad_signature', { message: 'no' })
    }
    const source = await start('b1', {
      verifySealed: (body) => (sealedIsGood ? (JSON.parse(Buffer.from(body).toString()) as Sealed) : bad()),
      verifyCheckpoint: () => (checkpointIsGood ? undefined : bad()),
    })
    await source.started
    await source.record([redeemed(1)])
    const body = sealedBody({ [name('b1')]: 1 })
    await expect(source.onSealed(body)).rejects.toMatchObject({ code: 'bad_signature' })
    sealedIsGood = true
    await expect(source.onSealed(body)).rejects.toMatchObject({ code: 'bad_signature' })
    expect(source.stats.uncovered).toBe(2)
    checkpointIsGood = true
    await source.onSealed(body)
    expect(source.stats.uncovered).toBe(0)
  })

  test('heads of other sources, of inherited names and none at all change nothing', async () => {
    const source = await start('b1')
    await source.started
    for (const heads of [{}, { 'token-issuer/ti-1/b1': 9 }, { 'token-issuer/ti-0/b2': 9 }]) {
      await source.onSealed(sealedBody(heads))
    }
    expect(source.stats.uncovered).toBe(1)
  })

  test('a head above our own is reported, and the chain goes on', async () => {
    const report = vi.fn()
    const source = await start('b1', { report })
    await source.started
    await source.onSealed(sealedBody({ [name('b1')]: 7 }))
    expect(report).toHaveBeenCalledWith(expect.stringContaining('never held'))
    await source.record([redeemed(1)])
    expect(stream.messages()[1]?.seq).toBe(1)
    expect(source.stats.uncovered).toBe(1)
  })

  test('a message whose acknowledgement never came is durable when a checkpoint covers it', async () => {
    const source = await start('b1')
    await source.started
    stream.loseAnswers = true
    const record = source.record([redeemed(1)])
    await vi.waitFor(() => expect(source.stats.away).toBe(true))
    await source.onSealed(sealedBody({ [name('b1')]: 1 }))
    await record
    expect(stream.stored).toHaveLength(2)
  })

  test('earlier boots are forgotten once covered, but not before the next boot has named their head', async () => {
    const first = await start('b1')
    await first.started
    await first.record([redeemed(1)])
    await stopped(first)
    await first.onSealed(sealedBody({}))
    stream.refuse = true
    const second = await start('b2')
    await second.onSealed(sealedBody({ [name('b1')]: 2 }))
    await stopped(second)
    expect(await readdir(dir)).toHaveLength(2)
    stream.refuse = false
    stream.stored = []
    const third = await start('b3')
    await third.started
    expect(stream.messages().map(({ source, seq }) => `${source} ${seq}`)).toEqual([
      `${name('b2')} 0`,
      `${name('b2')} 1`,
      `${name('b3')} 0`,
    ])
    await third.onSealed(sealedBody({ [name('b2')]: 1, [name('b3')]: 0 }))
    await vi.waitFor(async () => expect(await readdir(dir)).toEqual(['000000000003-b3.outbox']))
  })

  test('a long-lived source does not keep what is covered, in memory or on disk', async () => {
    const source = await start('b1')
    await source.started
    for (let n = 0; n < 30; n++) {
      await source.record([redeemed(n, 'x'.repeat(40_000))])
      await source.onSealed(sealedBody({ [name('b1')]: n + 1 }))
    }
    expect(source.stats.uncoveredBytes).toBe(0)
    const { size } = await import('node:fs/promises').then(({ stat }) => stat(join(dir, '000000000001-b1.outbox')))
    expect(size).toBeLessThan(400_000)
    await stopped(source)
    const next = await start('b2')
    await next.started
    expect(stream.messages().at(-1)?.events[0]?.detail).toMatchObject({ previous: { source: name('b1') } })
  })
})

describe('sending again', () => {
  const count = () => stream.stored.length

  test('the oldest 100 after 60 s, then at doubled intervals up to 1 h, the same bytes', async () => {
    const source = await start('b1', { heartbeatMs: 1e12 })
    await source.started
    for (let n = 0; n < 120; n++) await source.record([redeemed(n)])
    const original = stream.stored.slice(0, 100)
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const before = count()
      clock.advance(minutes * 60_000 - 1)
      expect(count()).toBe(before)
      clock.advance(1)
      await vi.waitFor(() => expect(count()).toBe(before + 100))
      expect(stream.stored.slice(before)).toEqual(original)
    }
  })

  test('starts again from 60 s for what is left after a seal, and ends when all is covered', async () => {
    const source = await start('b1', { heartbeatMs: 1e12 })
    await source.started
    await source.record([redeemed(1)])
    clock.advance(60_000)
    await vi.waitFor(() => expect(count()).toBe(4))
    await source.onSealed(sealedBody({ [name('b1')]: 0 }))
    clock.advance(60_000)
    await vi.waitFor(() => expect(count()).toBe(5))
    await source.onSealed(sealedBody({ [name('b1')]: 1 }))
    clock.advance(10 * 3_600_000)
    expect(count()).toBe(5)
  })

  test('does not delay what is recorded meanwhile by more than one message', async () => {
    const source = await start('b1', { heartbeatMs: 1e12 })
    await source.started
    for (let n = 0; n < 50; n++) await source.record([redeemed(n)])
    const before = count()
    let release = () => {}
    stream.gate = new Promise((resolve) => {
      release = resolve
    })
    clock.advance(60_000)
    const record = source.record([redeemed(50)])
    await vi.waitFor(() => expect(source.stats).toMatchObject({ waiting: 0, unsent: 2 }))
    release()
    await record
    const at = stream.messages().findIndex(({ events }) => events[0]?.token_id === 't50')
    expect(at).toBe(before + 1)
  })
})

describe('life signs', () => {
  test('a heartbeat after 60 s without a message, none while messages go out', async () => {
    const source = await start('b1')
    await source.started
    clock.advance(59_000)
    await source.record([redeemed(1)])
    clock.advance(59_000)
    expect(stream.types()).not.toContain('source.heartbeat')
    clock.advance(1000)
    await vi.waitFor(() => expect(stream.types()).toContain('source.heartbeat'))
  })

  test('source.stopped is the last message, after everything that was waiting; then nothing is taken', async () => {
    const source = await start('b1')
    await source.started
    source.recordLater(Array.from({ length: 200 }, (_, n) => redeemed(n)))
    const stop = source.stop()
    await expect(source.record([redeemed(0)])).rejects.toMatchObject({ code: 'unavailable' })
    expect(() => source.recordLater([redeemed(0)])).toThrow(Fault)
    await stop
    expect(stream.types().at(-1)).toBe('source.stopped')
    expect(stream.types()).toHaveLength(202)
  })

  test('a stop that the bus does not let end refuses who waits, and loses nothing', async () => {
    const source = await start('b1')
    await source.started
    stream.refuse = true
    const record = source.record([redeemed(1)])
    record.catch(() => {})
    await vi.waitFor(() => expect(source.stats.away).toBe(true))
    await stopped(source)
    await expect(record).rejects.toMatchObject({ code: 'unavailable' })
    stream.refuse = false
    const next = await start('b2')
    await next.started
    expect(stream.types()).toEqual([
      'source.started',
      'source.started',
      'token.redeemed',
      'source.stopped',
      'source.started',
    ])
  })

  test('started rejects when the source is stopped before it was durable', async () => {
    stream.refuse = true
    const source = await start('b1')
    await stopped(source)
    await expect(source.started).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('a later endorsement is recorded as a document', async () => {
    const source = await start('b1')
    await source.started
    const again = await signJws(signer, 'writ-key+jwt', { iat: 2 })
    await source.recordEndorsement(again)
    expect(stream.messages()[1]?.events[0]).toMatchObject({ type: 'source.heartbeat', documents: [{ jws: again }] })
  })
})
