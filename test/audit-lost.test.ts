import { type AuditSource, auditEvent } from '@writ/audit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SinkStage } from './support/sink-stage.ts'

// What becomes of events while the stream between their source and the log is lost or full. Sources are the product's own, with a clock that goes faster.

let stage: SinkStage
beforeEach(async () => {
  stage = await SinkStage.start()
})
afterEach(() => stage?.[Symbol.asyncDispose]())

const event = (n: number, fill = '') => auditEvent('control.applied', { detail: { n, fill } })
/** On the source's clock. */
const PATIENCE_MS = 60_000

/** Numbers of the events that the log has of a source, in the order of its chain, which has no hole. What was sent again may come later in the log. */
async function numbersOf(source: string): Promise<readonly number[]> {
  const messages = (await stage.entries())
    .filter((message) => message.source === source)
    .toSorted((a, b) => a.seq - b.seq)
  expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, at) => at))
  return messages.flatMap(({ events }) =>
    events.flatMap(({ detail }) => (typeof detail?.['n'] === 'number' ? detail['n'] : [])),
  )
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n)

describe('AUDIT’s files deleted in the middle', () => {
  test('what was acknowledged and not sealed is sent again by its source: every event is in the log once', async () => {
    const sink = await stage.startSink('s0')
    await stage.ready(sink)
    const source = await stage.startSource('source')
    await source.started
    for (let n = 0; n < 20; n++) await source.record([event(n)])
    await stage.until(() => source.stats.uncovered === 0, 'the first part is sealed')
    sink.child.kill('SIGSTOP')
    for (let n = 20; n < 60; n++) await source.record([event(n)])
    expect(source.stats.uncovered).toBeGreaterThanOrEqual(40)
    await stage.loseAuditFiles()
    const last = source.record([event(60)])
    sink.child.kill('SIGCONT')
    await last
    await stage.until(() => source.stats.uncovered === 0, 'everything is sealed')
    expect(await numbersOf(source.name)).toEqual(upTo(61))
    await source.stop()
  })

  test('the source dies too and comes back with its outbox: what it had kept is in the log once', async () => {
    const sink = await stage.startSink('s0')
    await stage.ready(sink)
    const source = await stage.startSource('source')
    await source.started
    sink.child.kill('SIGSTOP')
    for (let n = 0; n < 30; n++) await source.record([event(n)])
    await stage.loseAuditFiles()
    await source.stop(0)
    const next = await stage.startSource('source')
    await next.started
    sink.child.kill('SIGCONT')
    await stage.until(() => next.stats.uncovered === 0, 'both boots are sealed')
    expect(await numbersOf(source.name)).toEqual(upTo(30))
    await next.stop()
  })
})

describe('AUDIT full', () => {
  test('what lets an effect go is not durable until there is room; what is taken is kept, bounded, and all in the log once', async () => {
    const sink = await stage.startSink('s0')
    await stage.ready(sink)
    const source = await stage.startSource('source', { outboxBytesMax: 400_000 })
    await source.started
    await stage.until(() => source.stats.uncovered === 0, 'the start is sealed')
    sink.child.kill('SIGSTOP')
    await stage.limitAudit(200_000)
    const fill = 'x'.repeat(2000)
    let taken = 0
    let durable = 0
    const refusals: unknown[] = []
    for (; refusals.length === 0 && taken < 2000; ) {
      await source.record([event(taken, fill)], PATIENCE_MS).then(
        () => (durable += 1),
        (error: unknown) => refusals.push(error),
      )
      taken += 1
    }
    expect(durable, 'it goes on while AUDIT takes events').toBeGreaterThan(10)
    expect(refusals).toMatchObject([{ code: 'unavailable' }])
    let refused = 0
    while (refused === 0 && taken < 2000) {
      await stage.until(() => source.stats.waiting === 0, 'what was taken is on the disk')
      try {
        source.recordLater([event(taken, fill)])
        taken += 1
      } catch (error) {
        expect(error).toMatchObject({ code: 'unavailable' })
        refused += 1
      }
    }
    expect(refused, 'the backlog is bounded').toBe(1)
    expect(source.stats.uncoveredBytes).toBeLessThan(500_000)
    await stage.limitAudit(100_000_000)
    sink.child.kill('SIGCONT')
    await stage.until(() => source.stats.uncovered === 0 && source.stats.waiting === 0, 'the backlog is drained')
    expect(await numbersOf(source.name)).toEqual(upTo(taken))
    await source.record([event(taken)])
    await source.stop()
  })

  test('audit-sink, killed and started again while AUDIT is full, makes room by itself: its own start does not wait for it', async () => {
    const sink = await stage.startSink('s0')
    await stage.ready(sink)
    await sink.kill()
    const source = await fill()
    await stage.ready(await stage.startSink('s0'))
    await stage.until(() => source.stats.uncovered === 0, 'the backlog is drained')
    await source.stop()
  })

  test('a log that was never opened is opened while AUDIT is full', async () => {
    const source = await fill()
    await stage.ready(await stage.startSink('s0'))
    await stage.until(() => source.stats.uncovered === 0, 'the backlog is drained')
    const [opened] = await stage.entries()
    expect(opened).toMatchObject({
      iss: 'audit-sink',
      events: expect.arrayContaining([expect.objectContaining({ type: 'log.opened' })]),
    })
    await source.stop()
  })

  /** A source that has filled AUDIT, so that not even a short message finds room. */
  async function fill(): Promise<AuditSource> {
    await stage.limitAudit(100_000)
    const source = await stage.startSource('source')
    await source.started
    for (let n = 0; n < 100; n++) source.recordLater([event(n, 'x'.repeat(3000))])
    await stage.until(() => source.stats.away, 'AUDIT takes no more')
    await stage.fillAudit()
    return source
  }
})
