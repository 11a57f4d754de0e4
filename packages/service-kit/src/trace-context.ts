import { AsyncLocalStorage } from 'node:async_hooks'
import { inSpan, type Span, type SpanAttributes, type SpanOptions, type Trace } from '@writ/bus'

const storage = new AsyncLocalStorage<Span>()

/**
 * Runs `work` as a span of the sender's trace (W3C Trace Context), of the work that it is part of, or as the start of a new one. What it logs carries the trace id,
 * and `currentTrace()` is what it hands to the bus. It carries no authority.
 */
export function traced<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  return inSpan(name, { parent: currentTrace(), ...options }, (span) => storage.run(span, work))
}

export function currentTrace(): Trace | undefined {
  return storage.getStore()?.trace
}

/** Says more of the span in hand. */
export function noteSpan(attributes: SpanAttributes): void {
  storage.getStore()?.set(attributes)
}

/** Members of a log line: `trace_id` and `span_id`, 32 and 16 hex digits. */
export function traceLogFields(): Record<string, string> {
  const [, trace_id, span_id] = currentTrace()?.traceparent.split('-') ?? []
  return trace_id === undefined || span_id === undefined ? {} : { trace_id, span_id }
}
