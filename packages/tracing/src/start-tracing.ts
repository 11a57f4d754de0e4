import type { SpanCounts } from './counting.ts'
import type { TracingConfig } from './tracing-config.ts'

/** Who the spans are from. */
export interface TracedProcess {
  /** For example `writ-token-issuer`. */
  readonly service: string
  /** Of several of a kind. */
  readonly instance: string
}

/** Disposing it sends what is left, for a short while, and ends it. */
export interface Tracing extends AsyncDisposable {
  readonly counts: SpanCounts
}

/**
 * Sends the spans of this process to an OTLP receiver, beside the work: without a receiver they are dropped and counted. One for a
 * process. Without a configuration nothing is even loaded.
 */
export async function startTracing(config: TracingConfig | undefined, who: TracedProcess): Promise<Tracing> {
  if (config === undefined)
    return { counts: { exported: 0, failed: 0, dropped: 0 }, [Symbol.asyncDispose]: async () => undefined }
  const { openProvider } = await import('./open-provider.ts')
  return openProvider(config, who)
}
