import { setTimeout as delay } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import { resourceFromAttributes } from '@opentelemetry/resources'
import * as sdk from '@opentelemetry/sdk-trace'
import { CountingExporter } from './counting.ts'
import { OtlpExporter } from './otlp-exporter.ts'
import type { TracedProcess, Tracing } from './start-tracing.ts'
import type { TracingConfig } from './tracing-config.ts'

/** A stop does not wait longer for the receiver. */
const FLUSH_MS_MAX = 2000
/** Ours are short; what an agent or a handler of a gateway adds is bounded too. */
const LIMITS = { attributeCountLimit: 32, attributeValueLengthLimit: 256, eventCountLimit: 16, linkCountLimit: 4 }

/** What every span of the process goes through: registered for the whole process, as OpenTelemetry has it. */
export function openProvider(config: TracingConfig, { service, instance }: TracedProcess): Tracing {
  const { queueMax, batchMax, delayMs, timeoutMs } = config
  const posts = new OtlpExporter(config)
  const exporter = new CountingExporter(posts, queueMax)
  const batches = new sdk.BatchSpanProcessor({
    exporter,
    maxQueueSize: queueMax,
    maxExportBatchSize: batchMax,
    scheduledDelayMillis: delayMs,
    // The post itself gives up first.
    exportTimeoutMillis: timeoutMs + 1000,
  })
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({
      'service.namespace': 'writ',
      'service.instance.id': instance,
      ...config.attributes,
      'service.name': config.serviceName ?? config.attributes['service.name'] ?? service,
    }),
    sampler: samplerOf(config),
    spanProcessors: [exporter.before(batches)],
    spanLimits: LIMITS,
  })
  const registered = trace.setGlobalTracerProvider(provider)
  return {
    get counts() {
      return exporter.counts
    },
    [Symbol.asyncDispose]: async () => {
      if (registered) trace.disable()
      const stopped = provider.shutdown().catch(() => undefined)
      const patience = new AbortController()
      await Promise.race([stopped, delay(FLUSH_MS_MAX, undefined, { signal: patience.signal }).catch(() => undefined)])
      patience.abort()
      posts.abandon()
      await stopped
    },
  }
}

function samplerOf({ sampler, ratio }: TracingConfig): sdk.Sampler {
  const root = sampler.endsWith('always_on')
    ? new sdk.AlwaysOnSampler()
    : sampler.endsWith('always_off')
      ? new sdk.AlwaysOffSampler()
      : new sdk.TraceIdRatioBasedSampler(ratio)
  return sampler.startsWith('parentbased') ? new sdk.ParentBasedSampler({ root }) : root
}
