import { type CommonConfig, type Env, readCommonConfig, readEnv } from '@writ/service-kit'
import { z } from 'zod'

export interface Config extends CommonConfig {
  /** `WRIT_STORE`: where the log is written, `file:<dir>`. */
  readonly store: string
  /** `WRIT_LOG_KEY`: `file:<path>` of the Ed25519 key that signs checkpoints. It must be the one that the enrolment package pins. */
  readonly logKey: string
  /** `WRIT_LOG_DOMAIN`: host name with which the log's origin begins, `<domain>/<region>/<epoch>`. It never changes. */
  readonly logDomain: string
  /** `WRIT_SEAL_MS`: the oldest message waits at most this long for its seal. Absent: 1,000. */
  readonly sealMs: number
  /** `WRIT_RETENTION_DAYS`: how long evidence is kept. Absent: 190, half a year and a little. */
  readonly retentionDays: number
}

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

const Own = z.object({
  WRIT_STORE: z.string(),
  WRIT_LOG_KEY: z.string().regex(/^(file|kms):./, 'must be file:<path>'),
  WRIT_LOG_DOMAIN: z.string().regex(HOST, 'must be a host name in lower case'),
  WRIT_SEAL_MS: z.coerce.number().int().min(10).max(60_000).default(1000),
  WRIT_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_525).default(190),
})

export function readConfig(env: Env): Config {
  const own = readEnv(Own, env)
  return Object.freeze({
    ...readCommonConfig(env),
    store: own.WRIT_STORE,
    logKey: own.WRIT_LOG_KEY,
    logDomain: own.WRIT_LOG_DOMAIN,
    sealMs: own.WRIT_SEAL_MS,
    retentionDays: own.WRIT_RETENTION_DAYS,
  })
}
