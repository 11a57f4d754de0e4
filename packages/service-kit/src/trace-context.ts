import { AsyncLocalStorage } from 'node:async_hooks'
import { childTrace, type Trace } from '@writ/bus'

const storage = new AsyncLocalStorage<Trace>()

/**
 * Runs `work` as a span of the sender's trace (W3C Trace Context), or as the start of a new one. What it logs carries the trace id,
 * and `currentTrace()` is what it hands to the bus. It carries no authority.
 */
export function withTrace<T>(parent: Trace | undefined, work: () => T): T {
  return storage.run(childTrace(parent), work)
}

export function currentTrace(): Trace | undefined {
  return storage.getStore()
}

/** Members of a log line: `trace_id` and `span_id`, 32 and 16 hex digits. */
export function traceLogFields(): Record<string, string> {
  const [, trace_id, span_id] = storage.getStore()?.traceparent.split('-') ?? []
  return trace_id === undefined || span_id === undefined ? {} : { trace_id, span_id }
}
