import { Fault } from '@writ/contracts'
import { readTracingConfig, type TracingConfig } from '@writ/tracing'
import { z } from 'zod'

export type Env = Readonly<Record<string, string | undefined>>

/**
 * Reads configuration, once and loudly: throws Fault `malformed` that names every variable that is missing or wrong, and no value.
 * An empty variable counts as absent.
 */
export function readEnv<S extends z.ZodType>(schema: S, env: Env): z.output<S> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new Fault('malformed', { message: `The configuration is not complete. ${wrong.join('; ')}.` })
}

/** What every service reads. */
export interface CommonConfig {
  /** `WRIT_ENROLMENT`: path of the instance's `enrolment.json`. */
  readonly enrolmentFile: string
  /** `WRIT_STATE_DIR`: the instance's own directory, on a disk that survives restarts. Made if it is not there. */
  readonly stateDir: string
  /** `WRIT_ANCHOR_KEY`: `file:<path>` or `kms:<key ARN or alias>` of the role's anchor key, which endorses the key that the process makes for itself. */
  readonly anchorKey: string
  /** `WRIT_HEALTH_PORT`: port of `/healthz`, `/readyz`, `/metrics`. Absent: a free one, which the log names. */
  readonly healthPort: number
  /** `WRIT_HEALTH_HOST`. Absent: 127.0.0.1. Metrics have no access control, so another address needs a network that has one. */
  readonly healthHost: string
  /** `WRIT_LOG_LEVEL`: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. Absent: `info`. */
  readonly logLevel: LogLevel
  /** `WRIT_MODE`: `production` or `development`. Absent: `production`, which refuses to start where less is asserted. */
  readonly mode: 'production' | 'development'
  /** `WRIT_NATS_MONITOR`: `http://host:port` of nats-server's monitoring, to assert that it flushes. Needed in production. */
  readonly natsMonitor?: string
  /** `WRIT_REPLICAS`: how many replicas each stream has at least. Absent: 1. */
  readonly replicas: number
  /**
   * `WRIT_RESIDENCY`: path of the table of what each jurisdiction demands of buckets and keys (docs/residency.md). Absent: no jurisdiction is known, so no bucket is
   * taken, and in production no key in a KMS.
   */
  readonly residency?: string
  /**
   * `WRIT_AUDIT_OUTBOX_MIB`: how much the service keeps of what it recorded and the log does not hold yet, on its disk and in memory. At three quarters of it
   * no effect is let go. Absent: 64.
   */
  readonly auditOutboxBytes: number
  /** `WRIT_STOP_TIMEOUT_S`: how long a stop may take to finish work in hand. Absent: 20. */
  readonly stopTimeoutMs: number
  /** `OTEL_EXPORTER_OTLP_ENDPOINT` and the other variables of OpenTelemetry. Absent: no traces leave. */
  readonly tracing?: TracingConfig
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const Common = z
  .object({
    WRIT_ENROLMENT: z.string(),
    WRIT_STATE_DIR: z.string(),
    WRIT_ANCHOR_KEY: z.string().regex(/^(file|kms):./, 'must be file:<path> or kms:<key>'),
    WRIT_HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
    WRIT_HEALTH_HOST: z.string().default('127.0.0.1'),
    WRIT_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
    WRIT_MODE: z.enum(['production', 'development']).default('production'),
    WRIT_NATS_MONITOR: z.url({ protocol: /^https?$/ }).optional(),
    WRIT_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
    WRIT_RESIDENCY: z.string().optional(),
    WRIT_AUDIT_OUTBOX_MIB: z.coerce.number().int().min(1).max(4096).default(64),
    WRIT_STOP_TIMEOUT_S: z.coerce.number().min(1).max(3600).default(20),
  })
  .refine(({ WRIT_MODE, WRIT_NATS_MONITOR }) => WRIT_MODE === 'development' || WRIT_NATS_MONITOR !== undefined, {
    path: ['WRIT_NATS_MONITOR'],
    message: 'is needed in production',
  })

export function readCommonConfig(env: Env): CommonConfig {
  const parsed = readEnv(Common, env)
  const tracing = readTracingConfig(env)
  return {
    enrolmentFile: parsed.WRIT_ENROLMENT,
    stateDir: parsed.WRIT_STATE_DIR,
    anchorKey: parsed.WRIT_ANCHOR_KEY,
    healthPort: parsed.WRIT_HEALTH_PORT,
    healthHost: parsed.WRIT_HEALTH_HOST,
    logLevel: parsed.WRIT_LOG_LEVEL,
    mode: parsed.WRIT_MODE,
    ...(parsed.WRIT_NATS_MONITOR !== undefined && { natsMonitor: parsed.WRIT_NATS_MONITOR }),
    replicas: parsed.WRIT_REPLICAS,
    ...(parsed.WRIT_RESIDENCY !== undefined && { residency: parsed.WRIT_RESIDENCY }),
    auditOutboxBytes: parsed.WRIT_AUDIT_OUTBOX_MIB * 2 ** 20,
    stopTimeoutMs: parsed.WRIT_STOP_TIMEOUT_S * 1000,
    ...(tracing !== undefined && { tracing }),
  }
}
