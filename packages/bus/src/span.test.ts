import { type Span as OtelSpan, trace as otel, type Tracer, type TracerProvider } from '@opentelemetry/api'
import { Fault } from '@writ/contracts'
import { afterEach, expect, test } from 'vitest'
import { inSpan, newTrace, startSpan } from './index.ts'

afterEach(() => otel.disable())

interface Told {
  name: string
  kind?: number | undefined
  parentSpanId?: string | undefined
  attributes: Record<string, unknown>
  ended: boolean
}

/** The least of an SDK: tells what spans it was given. */
function register(): Told[] {
  const told: Told[] = []
  const tracer = {
    startSpan: (name, options, context) => {
      const parent = context && otel.getSpanContext(context)
      const span: Told = {
        name,
        kind: options?.kind,
        parentSpanId: parent?.spanId,
        attributes: { ...options?.attributes },
        ended: false,
      }
      told.push(span)
      const traceId = parent?.traceId ?? 'c'.repeat(32)
      return {
        spanContext: () => ({ traceId, spanId: `${told.length}`.padStart(16, '0'), traceFlags: 1 }),
        setAttribute: (key: string, value: unknown) => void Object.assign(span.attributes, { [key]: value }),
        setAttributes: (more: object) => void Object.assign(span.attributes, more),
        setStatus: () => undefined,
        end: () => {
          span.ended = true
        },
      } as unknown as OtelSpan
    },
  } as Tracer
  otel.setGlobalTracerProvider({ getTracer: () => tracer } as TracerProvider)
  return told
}

test('without OpenTelemetry a span is a child of its parent with an id of its own, or a new trace', () => {
  const parent = { ...newTrace(), tracestate: 'a=1' }
  const { trace } = startSpan('redeem', { parent })
  expect(trace.traceparent.slice(0, 36)).toBe(parent.traceparent.slice(0, 36))
  expect(trace.traceparent).not.toBe(parent.traceparent)
  expect(trace.tracestate).toBe('a=1')
  expect(startSpan('redeem').trace.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
})

test('with OpenTelemetry the span is its, and goes on with the messages', () => {
  const told = register()
  const parent = newTrace()
  const span = startSpan('redeem', { parent, kind: 'server', attributes: { 'writ.plan_id': 'p' } })
  const [, traceId, parentSpanId] = parent.traceparent.split('-')
  expect(span.trace.traceparent).toBe(`00-${traceId}-${'1'.padStart(16, '0')}-01`)
  span.set({ 'writ.code': 'ok' })
  span.end()
  const attributes = { 'writ.plan_id': 'p', 'writ.code': 'ok' }
  expect(told).toEqual([{ name: 'redeem', kind: 1, parentSpanId, attributes, ended: true }])
})

test('of an error only the code is told', async () => {
  const told = register()
  const fault = new Fault('policy_denied', { message: 'press-07 may not be restarted for u-anna.' })
  await expect(inSpan('decide', {}, () => Promise.reject(fault))).rejects.toBe(fault)
  await expect(inSpan('decide', {}, () => Promise.reject(new Error('u-anna')))).rejects.toThrow()
  expect(told.map(({ attributes }) => attributes)).toEqual([
    { 'error.type': 'policy_denied' },
    { 'error.type': 'internal' },
  ])
  expect(told.every(({ ended }) => ended)).toBe(true)
})
