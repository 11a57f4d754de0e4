import { context, type Span as OtelSpan, trace as otel, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { isFault } from '@writ/contracts'
import { childTrace, type Trace } from './trace.ts'

/**
 * What a span may say besides its name and times. Closed: digests, ids that a service made, and words of the contract. No name of a
 * person, agent or device, no parameter, purpose, result or token.
 */
export interface SpanAttributes {
  readonly 'writ.intent_digest'?: string
  readonly 'writ.plan_id'?: string
  readonly 'writ.step_id'?: string
  readonly 'writ.state'?: string
  readonly 'writ.outcome'?: string
  readonly 'writ.code'?: string
  readonly 'writ.entries'?: number
}

export interface SpanOptions {
  /** Of the message that began the work. Absent: the span that is active in the program, else a new trace. */
  readonly parent?: Trace | undefined
  /** How the work relates to the one before it (OpenTelemetry, SpanKind). Absent: `internal`. */
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  readonly attributes?: SpanAttributes
}

export interface Span {
  /** What goes with the messages that the work sends. */
  readonly trace: Trace
  set(attributes: SpanAttributes): void
  /** Once. `error`: of it only the code is told. */
  end(error?: unknown): void
}

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const
const SCOPE = 'writ'
const REMOTE = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/**
 * Begins a piece of work of a trace. It is told to OpenTelemetry, where the program has registered an SDK for it; where it has not,
 * only the ids are made.
 */
export function startSpan(name: string, { parent, kind = 'internal', attributes }: SpanOptions = {}): Span {
  const before = parent === undefined ? context.active() : remote(parent)
  const said = { kind: KINDS[kind], attributes: { ...attributes } }
  const span = otel.getTracer(SCOPE).startSpan(name, said, before)
  return {
    trace: traceOfSpan(span, parent),
    set: (more) => void span.setAttributes({ ...more }),
    end: (error) => {
      if (error !== undefined) {
        span.setAttribute('error.type', isFault(error) ? error.code : 'internal')
        span.setStatus({ code: SpanStatusCode.ERROR })
      }
      span.end()
    },
  }
}

/** Does the work as a span, which ends with it. */
export async function inSpan<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T> {
  const span = startSpan(name, options)
  try {
    const value = await work(span)
    span.end()
    return value
  } catch (error) {
    span.end(error)
    throw error
  }
}

function remote({ traceparent }: Trace) {
  const [, traceId = '', spanId = '', flags = '00'] = REMOTE.exec(traceparent) ?? []
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return otel.setSpanContext(otel.deleteSpan(context.active()), spanContext)
}

/** Without an SDK the span is the parent itself: then an id of our own stands for the work. */
function traceOfSpan(span: OtelSpan, parent: Trace | undefined): Trace {
  const { traceId, spanId, traceFlags } = span.spanContext()
  const own = otel.isSpanContextValid(span.spanContext()) && parent?.traceparent.split('-')[2] !== spanId
  if (!own) return childTrace(parent)
  const flags = traceFlags.toString(16).padStart(2, '0')
  return { ...parent, traceparent: `00-${traceId}-${spanId}-${flags}` }
}
