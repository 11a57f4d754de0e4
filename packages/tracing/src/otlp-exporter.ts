import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'
import type { TracingConfig } from './tracing-config.ts'

type Told = Parameters<SpanExporter['export']>[1]

/**
 * Posts spans as OTLP/HTTP JSON (https://opentelemetry.io/docs/specs/otlp/#otlphttp), once: what does not arrive is lost and told as failed.
 * The exporter of OpenTelemetry tries again for a while, which keeps a process alive that is to end.
 */
export class OtlpExporter implements SpanExporter {
  readonly #config: Pick<TracingConfig, 'url' | 'headers' | 'timeoutMs'>
  readonly #abandoned = new AbortController()
  readonly #underWay = new Set<Promise<void>>()

  constructor(config: Pick<TracingConfig, 'url' | 'headers' | 'timeoutMs'>) {
    this.#config = config
  }

  export(spans: ReadableSpan[], told: Told): void {
    const posted: Promise<void> = this.#post(spans)
      .then(
        () => told({ code: 0 }),
        (error: unknown) => told({ code: 1, error: error instanceof Error ? error : new Error('not sent') }),
      )
      .finally(() => this.#underWay.delete(posted))
    this.#underWay.add(posted)
  }

  /** Gives up what is under way. */
  abandon(): void {
    this.#abandoned.abort()
  }

  /** Resolves when what is under way has ended. */
  async shutdown(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async #post(spans: ReadableSpan[]): Promise<void> {
    const { url, headers, timeoutMs } = this.#config
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JsonTraceSerializer.serializeRequest(spans) as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.any([this.#abandoned.signal, AbortSignal.timeout(timeoutMs)]),
      redirect: 'error',
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`the receiver answers ${response.status}`)
  }
}
