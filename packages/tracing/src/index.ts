export type { SpanCounts } from './counting.ts'
export { startTracing, type TracedProcess, type Tracing } from './start-tracing.ts'
export { readTracingConfig, type Sampler, type TracingConfig } from './tracing-config.ts'
