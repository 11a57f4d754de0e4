import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { trace } from '@opentelemetry/api'
import { afterEach, expect, test, vi } from 'vitest'
import { readTracingConfig, startTracing } from './index.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A receiver that answers with `status`, or never. */
async function receiver(status?: number): Promise<{ readonly url: string; readonly paths: string[] }> {
  const paths: string[] = []
  server = createServer((request, response) => {
    paths.push(request.url ?? '')
    if (status !== undefined) response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths }
}

const configured = (url: string, more: Record<string, string> = {}) =>
  readTracingConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '10', ...more })
const who = { service: 'a-service', instance: '0' }
const span = () => trace.getTracer('test').startSpan('work').end()

test('without a configuration nothing is registered and nothing recorded', async () => {
  await using tracing = await startTracing(undefined, who)
  expect(trace.getTracer('test').startSpan('work').isRecording()).toBe(false)
  span()
  expect(tracing.counts).toEqual({ exported: 0, failed: 0, dropped: 0 })
})

test('spans are sent, and what is left is sent at the end', async () => {
  const { url, paths } = await receiver(200)
  const tracing = await startTracing(configured(url, { OTEL_BSP_SCHEDULE_DELAY: '60000' }), who)
  span()
  expect(paths).toEqual([])
  await tracing[Symbol.asyncDispose]()
  expect(paths).toEqual(['/v1/traces'])
  expect(tracing.counts).toEqual({ exported: 1, failed: 0, dropped: 0 })
  expect(trace.getTracer('test').startSpan('work').isRecording()).toBe(false)
})

test('while the receiver hangs at most the queue is held, the rest is dropped and counted, and an end waits only a moment', async () => {
  const { url } = await receiver()
  const tracing = await startTracing(configured(url, { OTEL_BSP_MAX_QUEUE_SIZE: '10' }), who)
  for (let n = 0; n < 25; n++) span()
  expect(tracing.counts).toEqual({ exported: 0, failed: 0, dropped: 15 })
  const began = performance.now()
  await tracing[Symbol.asyncDispose]()
  expect(performance.now() - began).toBeLessThan(4000)
})

test('what a receiver refuses is counted, and there is room again', async () => {
  const { url } = await receiver(400)
  await using tracing = await startTracing(configured(url, { OTEL_BSP_MAX_QUEUE_SIZE: '3' }), who)
  for (let n = 0; n < 3; n++) span()
  await vi.waitFor(() => expect(tracing.counts.failed).toBe(3), 5000)
  span()
  await vi.waitFor(() => expect(tracing.counts).toEqual({ exported: 0, failed: 4, dropped: 0 }), 5000)
})

test('spans of a trace that its sender does not sample are not recorded', async () => {
  const { url, paths } = await receiver(200)
  const tracing = await startTracing(configured(url), who)
  const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 0, isRemote: true }
  const { ROOT_CONTEXT } = await import('@opentelemetry/api')
  trace.getTracer('test').startSpan('work', {}, trace.setSpanContext(ROOT_CONTEXT, parent)).end()
  await tracing[Symbol.asyncDispose]()
  expect(paths).toEqual([])
})
