import { Id } from '@writ/contracts'
import { type CommonConfig, type Env, readCommonConfig, readEnv } from '@writ/service-kit'
import { z } from 'zod'
import { RETENTION_REGIMES, type RetentionRegime, retentionDaysOf } from './core/retention.ts'

export interface Config extends CommonConfig {
  /** `WRIT_STORE`: where the log is written, `file:<dir>` or `s3://<bucket>/<prefix>`; see `openStore`. */
  readonly store: string
  /**
   * `WRIT_LOG_KEY`: `file:<path>` or `kms:<key ARN or alias>` of the key that signs checkpoints, Ed25519 or, where a KMS lacks that, P-256. It must be one that
   * the enrolment package pins.
   */
  readonly logKey: string
  /** `WRIT_COSIGN_KEY`: another Ed25519 key, which signs the time of each checkpoint; pinned too. Absent: checkpoints say no time. */
  readonly cosignKey?: string
  /**
   * `WRIT_WITNESS_POLICY`: path of a witness policy (C2SP tlog-policy). Its witnesses that have an address are asked to cosign each checkpoint. Absent: the log
   * has no witness.
   */
  readonly witnessPolicy?: string
  /** `WRIT_LOG_DOMAIN`: host name with which the log's origin begins, `<domain>/<region>/<epoch>`. It never changes. */
  readonly logDomain: string
  /** `WRIT_SEAL_MS`: the oldest message waits at most this long for its seal. Absent: 1,000. */
  readonly sealMs: number
  /** `WRIT_RETENTION_REGIME`: whose rule the period keeps to (docs/retention.md). Absent: `eu-ai-act`. */
  readonly retentionRegime: RetentionRegime
  /** `WRIT_RETENTION_DAYS`: how long evidence is kept. Absent: what the regime usually asks for, 190 for `eu-ai-act`; `custom` must name it. */
  readonly retentionDays: number
  /**
   * `WRIT_STORE_UNPROVEN`: a word why a store is used that is not proven. In development it covers every failed check, in production nothing but that
   * the store is a directory. It goes into the log. Absent: only a proven store is used, in development a directory too.
   */
  readonly storeUnproven?: string
}

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/

const Own = z.object({
  WRIT_STORE: z.string(),
  WRIT_LOG_KEY: z.string().regex(/^(file|kms):./, 'must be file:<path> or kms:<key>'),
  WRIT_COSIGN_KEY: z
    .string()
    .regex(/^(file|kms):./, 'must be file:<path> or kms:<key>')
    .optional(),
  WRIT_WITNESS_POLICY: z.string().min(1).optional(),
  WRIT_LOG_DOMAIN: z.string().regex(HOST, 'must be a host name in lower case'),
  WRIT_SEAL_MS: z.coerce.number().int().min(10).max(60_000).default(1000),
  WRIT_RETENTION_REGIME: z.enum(RETENTION_REGIMES).default('eu-ai-act'),
  WRIT_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_525).optional(),
  WRIT_STORE_UNPROVEN: Id.optional(),
})

export function readConfig(env: Env): Config {
  const own = readEnv(Own, env)
  return Object.freeze({
    ...readCommonConfig(env),
    store: own.WRIT_STORE,
    logKey: own.WRIT_LOG_KEY,
    ...(own.WRIT_COSIGN_KEY !== undefined && { cosignKey: own.WRIT_COSIGN_KEY }),
    ...(own.WRIT_WITNESS_POLICY !== undefined && { witnessPolicy: own.WRIT_WITNESS_POLICY }),
    logDomain: own.WRIT_LOG_DOMAIN,
    sealMs: own.WRIT_SEAL_MS,
    retentionRegime: own.WRIT_RETENTION_REGIME,
    retentionDays: retentionDaysOf(own.WRIT_RETENTION_REGIME, own.WRIT_RETENTION_DAYS),
    ...(own.WRIT_STORE_UNPROVEN !== undefined && { storeUnproven: own.WRIT_STORE_UNPROVEN }),
  })
}
