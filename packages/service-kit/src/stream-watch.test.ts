import type { StreamInfo } from '@writ/bus'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { StreamWatch } from './stream-watch.ts'

const info = (serverTimeMs: number | undefined): StreamInfo => ({
  config: { max_bytes: 1000 },
  created: '2026-11-24T00:00:00Z',
  messages: 3,
  bytes: 250,
  firstSeq: 1,
  lastSeq: 3,
  serverTimeMs,
})

test('says how full a stream is and how far the clock is off, with what the way there and back leaves open', async () => {
  const registry = new Registry()
  let nowMs = 1_000_000
  const bus = {
    streamInfo: async () => {
      nowMs += 40
      return info(nowMs - 20 - 1500)
    },
  }
  await using watch = new StreamWatch(bus, 'policy-evaluator', registry, () => nowMs)
  await watch.look()
  const text = await registry.metrics()
  expect(text).toContain('writ_stream_messages{stream="POLICIES"} 3')
  expect(text).toContain('writ_stream_size_bytes{stream="POLICIES"} 250')
  expect(text).toContain('writ_stream_limit_bytes{stream="POLICIES"} 1000')
  expect(text).toContain('writ_clock_offset_seconds{clock="bus"} 1.5')
  expect(text).toContain('writ_clock_offset_error_seconds{clock="bus"} 0.021')
})

test('says nothing while the server does not', async () => {
  const registry = new Registry()
  let away = false
  const bus = { streamInfo: async () => (away ? Promise.reject(new Error('away')) : info(undefined)) }
  await using watch = new StreamWatch(bus, 'audit-sink', registry)
  await watch.look()
  expect(await registry.metrics()).toMatch(/writ_stream_messages\{stream="AUDIT"\} 3/)
  expect(await registry.metrics()).not.toMatch(/^writ_clock_offset_seconds/m)
  away = true
  await watch.look()
  expect(await registry.metrics()).not.toMatch(/^writ_stream/m)
})
