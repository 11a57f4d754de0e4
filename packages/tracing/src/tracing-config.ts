import { Fault } from '@writ/contracts'
import { z } from 'zod'

/** How traces leave this process. */
export interface TracingConfig {
  /** Where spans are posted, `…/v1/traces`. */
  readonly url: string
  /** `OTEL_EXPORTER_OTLP_HEADERS`. May hold a secret: it is not logged. */
  readonly headers: Readonly<Record<string, string>>
  readonly sampler: Sampler
  /** For samplers by ratio, 0 to 1. */
  readonly ratio: number
  /** `OTEL_SERVICE_NAME`. Absent: the name that the program gives itself. */
  readonly serviceName?: string
  /** `OTEL_RESOURCE_ATTRIBUTES`: what is said of the process with every span. */
  readonly attributes: Readonly<Record<string, string>>
  /** Spans that wait to be sent or are being sent; one more is dropped and counted. */
  readonly queueMax: number
  readonly batchMax: number
  /** How long a span waits for others at most. */
  readonly delayMs: number
  /** How long one post may take. */
  readonly timeoutMs: number
}

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const
export type Sampler = (typeof SAMPLERS)[number]

const endpoint = z.url({ protocol: /^https?$/ }).optional()
/** Spans go as JSON, which every OTLP/HTTP receiver takes at the address of the other encoding too. */
const protocol = z.enum(['http/json', 'http/protobuf'], 'must be http/json: gRPC is not supported').optional()
const timeout = z.coerce.number().int().min(1).max(60_000).optional()
const TIMEOUT_MS = 10_000
const Variables = z.object({
  OTEL_SDK_DISABLED: z.string().optional(),
  OTEL_TRACES_EXPORTER: z.enum(['otlp', 'none']).default('otlp'),
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_HEADERS: z.string().max(4096).default(''),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: z.string().max(4096).optional(),
  OTEL_EXPORTER_OTLP_TIMEOUT: timeout,
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: timeout,
  OTEL_TRACES_SAMPLER: z.enum(SAMPLERS).default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
  OTEL_SERVICE_NAME: z.string().max(255).optional(),
  OTEL_RESOURCE_ATTRIBUTES: z.string().max(4096).default(''),
  OTEL_BSP_MAX_QUEUE_SIZE: z.coerce.number().int().min(1).max(65_536).default(2048),
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: z.coerce.number().int().min(1).max(65_536).default(512),
  OTEL_BSP_SCHEDULE_DELAY: z.coerce.number().int().min(1).max(60_000).default(5000),
})

/**
 * The standard variables of OpenTelemetry: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Undefined
 * without an endpoint: traces are off, and cost nothing. Certificates are Node's: `NODE_EXTRA_CA_CERTS`. Throws Fault `malformed` that names every variable that is wrong, and no value.
 */
export function readTracingConfig(env: Readonly<Record<string, string | undefined>>): TracingConfig | undefined {
  const given = Object.entries(env).filter(([name, value]) => name.startsWith('OTEL_') && value !== '')
  const parsed = Variables.safeParse(Object.fromEntries(given))
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Fault('malformed', { message: `The configuration of traces is wrong. ${wrong.join('; ')}.` })
  }
  const read = parsed.data
  const url = read.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? under(read.OTEL_EXPORTER_OTLP_ENDPOINT)
  if (url === undefined || read.OTEL_TRACES_EXPORTER === 'none' || read.OTEL_SDK_DISABLED?.toLowerCase() === 'true')
    return undefined
  return {
    url,
    headers: pairsOf(read.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? read.OTEL_EXPORTER_OTLP_HEADERS),
    sampler: read.OTEL_TRACES_SAMPLER,
    ratio: read.OTEL_TRACES_SAMPLER_ARG,
    ...(read.OTEL_SERVICE_NAME !== undefined && { serviceName: read.OTEL_SERVICE_NAME }),
    attributes: pairsOf(read.OTEL_RESOURCE_ATTRIBUTES),
    queueMax: read.OTEL_BSP_MAX_QUEUE_SIZE,
    batchMax: Math.min(read.OTEL_BSP_MAX_EXPORT_BATCH_SIZE, read.OTEL_BSP_MAX_QUEUE_SIZE),
    delayMs: read.OTEL_BSP_SCHEDULE_DELAY,
    timeoutMs: read.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ?? read.OTEL_EXPORTER_OTLP_TIMEOUT ?? TIMEOUT_MS,
  }
}

function under(base: string | undefined): string | undefined {
  return base === undefined ? undefined : new URL('v1/traces', base.endsWith('/') ? base : `${base}/`).href
}

/** `name=value,…`, each percent-encoded; a pair that is none is left out. */
function pairsOf(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => {
    const at = pair.indexOf('=')
    return at < 0 ? [] : [pair.slice(0, at), pair.slice(at + 1)].map((part) => decoded(part.trim()))
  })
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => (name && value !== undefined ? [[name, value] as const] : [])),
  )
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
