import { randomBytes } from 'node:crypto'
import { randomHex16 } from './random-token.ts'
import type { WireHeaders } from './wire-headers.ts'

/** W3C Trace Context, level 1. For logs only: it carries no authority, and a sender may write anything into it. */
export interface Trace {
  /** `00-<32 hex>-<16 hex>-<2 hex>`. */
  readonly traceparent: string
  readonly tracestate?: string
}

const TRACE_BYTES_MAX = 512
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const TRACESTATE = /^[\x20-\x7e]{1,512}$/

const spanId = randomHex16

/** The start of a trace, sampled. */
export function newTrace(): Trace {
  return { traceparent: `00-${randomBytes(16).toString('hex')}-${spanId()}-01` }
}

/** The next span of a trace; without one, the start of a new trace. */
export function childTrace(parent?: Trace): Trace {
  if (parent === undefined || !TRACEPARENT.test(parent.traceparent)) return newTrace()
  const [version, traceId, , flags] = parent.traceparent.split('-')
  return { ...parent, traceparent: [version, traceId, spanId(), flags].join('-') }
}

/** What of a message's trace is well-formed and at most 512 bytes; anything else is as if it were not there. */
export function traceOf(headers: WireHeaders): Trace | undefined {
  const [traceparent, ...more] = headers.all('traceparent')
  if (traceparent === undefined || more.length > 0 || !TRACEPARENT.test(traceparent)) return undefined
  const tracestate = headers.all('tracestate').join(',')
  return tracestate.length <= TRACE_BYTES_MAX && TRACESTATE.test(tracestate)
    ? { traceparent, tracestate }
    : { traceparent }
}

export function traceFields(trace: Trace | undefined): Record<string, string> {
  if (trace === undefined) return {}
  return {
    traceparent: trace.traceparent,
    ...(trace.tracestate !== undefined && { tracestate: trace.tracestate }),
  }
}
