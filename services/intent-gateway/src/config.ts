import { type CommonConfig, type Env, readCommonConfig, readEnv } from '@writ/service-kit'
import { z } from 'zod'

export interface Config extends CommonConfig {
  /** `WRIT_WRAP_KEY`: `file:<path>` of the 32 bytes, or `kms:<key ARN or alias>` of the symmetric key, that wraps the keys of sealed documents. All replicas share it. */
  readonly wrapKey: string
  /**
   * `WRIT_STORE`: where the log is, as audit-sink has it. It is only looked at for legal holds before a person's keys are destroyed. Absent:
   * nobody's are.
   */
  readonly store?: string
  /** `WRIT_DIRECTORY`: path of the directory that says, by patterns of device ids, which region's control plane to ask. Absent: such devices are unknown. */
  readonly directory?: string
  /** `WRIT_IN_FLIGHT_MAX`: messages of one queue, or requests of one kind, in hand at a time. Absent: 64. */
  readonly inFlightMax: number
}

const Own = z.object({
  WRIT_WRAP_KEY: z.string().regex(/^(file|kms):./, 'must be file:<path> or kms:<key>'),
  WRIT_STORE: z.string().min(1).optional(),
  WRIT_DIRECTORY: z.string().min(1).optional(),
  WRIT_IN_FLIGHT_MAX: z.coerce.number().int().min(1).max(1000).default(64),
})

export function readConfig(env: Env): Config {
  const own = readEnv(Own, env)
  return Object.freeze({
    ...readCommonConfig(env),
    wrapKey: own.WRIT_WRAP_KEY,
    ...(own.WRIT_STORE !== undefined && { store: own.WRIT_STORE }),
    ...(own.WRIT_DIRECTORY !== undefined && { directory: own.WRIT_DIRECTORY }),
    inFlightMax: own.WRIT_IN_FLIGHT_MAX,
  })
}
