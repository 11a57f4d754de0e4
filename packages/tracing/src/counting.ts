import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'

/** What became of spans, since the start. The rest waits. */
export interface SpanCounts {
  readonly exported: number
  /** Sent, and not known to have arrived. */
  readonly failed: number
  /** There was no room: the receiver is slow or away. */
  readonly dropped: number
}

const SAMPLED = 1

type Export = Parameters<SpanExporter['export']>

/** Lets at most so many spans wait, here or in the exporter, and counts what becomes of each. Nothing waits for it, nothing fails with it. */
export class CountingExporter implements SpanExporter {
  readonly #exporter: SpanExporter
  readonly #queueMax: number
  #counts = { exported: 0, failed: 0, dropped: 0 }
  #waiting = 0

  constructor(exporter: SpanExporter, queueMax: number) {
    this.#exporter = exporter
    this.#queueMax = queueMax
  }

  get counts(): SpanCounts {
    return { ...this.#counts }
  }

  /** A processor that takes a span only while there is room. */
  before(processor: SpanProcessor): SpanProcessor {
    return {
      onStart: (span: Span, parent) => processor.onStart(span, parent),
      onEnd: (span: ReadableSpan) => {
        if ((span.spanContext().traceFlags & SAMPLED) === 0) return
        if (this.#waiting >= this.#queueMax) {
          this.#counts.dropped += 1
          return
        }
        this.#waiting += 1
        processor.onEnd(span)
      },
      forceFlush: () => processor.forceFlush(),
      shutdown: () => processor.shutdown(),
    }
  }

  export(spans: Export[0], told: Export[1]): void {
    this.#exporter.export(spans, (result) => {
      this.#waiting -= spans.length
      // 0 is the success of `ExportResultCode`, whose package is not one of ours.
      this.#counts[result.code === 0 ? 'exported' : 'failed'] += spans.length
      told(result)
    })
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }
}
