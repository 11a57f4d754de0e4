import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { planePaths } from '@writ/plane'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { SinkStage } from './support/sink-stage.ts'

let stage: SinkStage
beforeAll(async () => {
  stage = await SinkStage.start()
})
afterEach(() => stage?.killSinks())
afterAll(() => stage?.[Symbol.asyncDispose]())

describe('audit-sink', () => {
  test('seals what services and gateways record, announces it, and empties the streams', async () => {
    const sink = await stage.startSink('s0')
    const all = [await stage.chain(40), await stage.chain(40, { kind: 'gateway' })]
    await Promise.all(all.map((one) => stage.publish(one)))
    await stage.until(() => stage.covered(all.flat()), 'both sources hear their heads')
    await stage.ready(sink)
    await stage.expectLog(all.flat())
    await stage.until(
      async () => (await stage.stored('AUDIT')) + (await stage.stored('AUDIT_EDGE')) === 0,
      'the streams are empty',
    )
    const metrics = await (await fetch(`${sink.health}/metrics`)).text()
    expect(metrics).toMatch(/writ_log_entries\{[^}]*\} \d\d/)
    const [first] = await stage.entries()
    expect(first).toMatchObject({ iss: 'audit-sink', events: [{ type: 'log.opened' }] })
    expect(stage.disbelieved).toEqual([])
  })

  test('takes no garbage into the log: it is counted, kept to look at, and holds nothing up', async () => {
    await stage.startSink('s0')
    const good = await stage.chain(3)
    const [first] = good
    const [other] = await stage.chain(1)
    if (first === undefined || other === undefined) throw new Error('no messages')
    await stage.publish([{ ...first, body: 'garbage' }, ...good.slice(0, 2)])
    await stage.publish([{ ...first, body: other.body }, ...good.slice(2)])
    await stage.until(() => stage.covered(good), 'what is good is sealed')
    await stage.until(
      async () => (await readdir(join(stage.nats.dir, 'state-s0', 'refused'))).length === 2,
      'both are kept',
    )
    const refusals = async () =>
      (await stage.entries()).filter(({ events }) => events.some(({ type }) => type === 'messages.refused'))
    await stage.until(async () => (await refusals()).length > 0, 'they are counted in the log')
    await stage.expectLog(good)
    expect((await stage.log()).entries).not.toContain('garbage')
  })

  test('messages without a byte, which gateways may send, hold up nothing that is delivered beside them', async () => {
    await stage.startSink('s0')
    const good = await stage.chain(40, { kind: 'gateway' })
    await stage.publish(good.flatMap((one, n) => (n % 4 === 0 ? [{ ...one, body: '' }, one] : [one])))
    await stage.until(() => stage.covered(good), 'what is good is sealed')
    await stage.until(async () => (await stage.stored('AUDIT_EDGE')) === 0, 'the stream is empty')
    await stage.expectLog(good)
  })

  test('G5: killed (-9) again and again in the middle, the log has every message exactly once', async () => {
    const all = [await stage.chain(400), await stage.chain(300), await stage.chain(300, { kind: 'gateway' })]
    const publishing = Promise.all(all.map((one) => stage.publish(one)))
    for (const ms of [0, 40, 120, 300, 500, 80, 200]) {
      const sink = await stage.startSink('s0')
      await stage.until(
        async () =>
          (
            await fetch(`${sink.health}/metrics`)
              .then((response) => response.text())
              .catch(() => '')
          ).includes('writ_log_entries'),
        'it seals',
      )
      await sleep(ms)
      await sink.kill()
    }
    await publishing
    await stage.startSink('s0')
    await stage.until(
      async () => (await stage.stored('AUDIT')) + (await stage.stored('AUDIT_EDGE')) < 3,
      'the streams are drained',
    )
    // What the last one sealed without living to say so is announced when the source sends it again.
    await stage.publishUntilCovered(all.flat())
    await stage.expectLog(all.flat())
  })

  test('G5: two replicas, one of them paused, and nats-server killed: one history, everything exactly once', async () => {
    const a = await stage.startSink('s0')
    await stage.startSink('s1')
    const all = [await stage.chain(300), await stage.chain(200, { kind: 'gateway' })]
    const publishing = Promise.all(all.map((one) => stage.publish(one)))
    for (let round = 0; round < 3; round++) {
      a.child.kill('SIGSTOP')
      await sleep(400)
      a.child.kill('SIGCONT')
      await sleep(200)
    }
    await stage.nats.kill()
    await stage.nats.start()
    await publishing
    await stage.until(
      async () => (await stage.stored('AUDIT')) + (await stage.stored('AUDIT_EDGE')) < 3,
      'the streams are drained',
    )
    await stage.publishUntilCovered(all.flat())
    await stage.expectLog(all.flat())
  })

  test('G5: AUDIT lost and made anew: what sources send again enters once, nothing is acknowledged unsealed', async () => {
    await stage.startSink('s0')
    const one = await stage.chain(60)
    await stage.publish(one.slice(0, 40))
    await stage.until(() => stage.covered(one.slice(0, 40)), 'the first part is sealed')
    await stage.rebuildAudit()
    await stage.publish(one.slice(20))
    await stage.until(() => stage.covered(one), 'the rest is sealed')
    await stage.expectLog(one)
  })

  test('stops gracefully: finishes the seal in hand, and its own end is the last entry of its chain', async () => {
    const sink = await stage.startSink('s2', { env: { WRIT_SEAL_MS: '5000' } })
    await stage.ready(sink)
    const one = await stage.chain(10)
    await stage.publish(one)
    sink.child.kill('SIGTERM')
    const [code] = (await once(sink.child, 'exit')) as [number]
    expect(code).toBe(0)
    await stage.expectLog(one)
    const own = (await stage.entries()).filter(({ source }) => source.startsWith('audit-sink/s2/'))
    expect(own.at(-1)?.events.at(-1)?.type).toBe('source.stopped')
  })

  test('refuses to start with a log key that is not pinned', async () => {
    const anchor = planePaths(stage.nats.plane.dir).anchorKey('audit-sink')
    const other = await stage.startSink('s3', { env: { WRIT_LOG_DOMAIN: 'other.example' } })
    const [code] = (await once(other.child, 'exit')) as [number]
    expect(code).toBe(1)
    const p256 = await stage.startSink('s3', { env: { WRIT_LOG_KEY: `file:${anchor}` } })
    expect(((await once(p256.child, 'exit')) as [number])[0]).toBe(1)
  })
})
