import { type CommonConfig, type Env, readCommonConfig, readEnv } from '@writ/service-kit'
import { z } from 'zod'

export interface Config extends CommonConfig {
  /** `WRIT_IN_FLIGHT_MAX`: decisions in hand at a time; more are answered `unavailable`. Absent: 256. */
  readonly inFlightMax: number
}

const Own = z.object({ WRIT_IN_FLIGHT_MAX: z.coerce.number().int().min(1).max(10_000).default(256) })

export function readConfig(env: Env): Config {
  return Object.freeze({ ...readCommonConfig(env), inFlightMax: readEnv(Own, env).WRIT_IN_FLIGHT_MAX })
}
