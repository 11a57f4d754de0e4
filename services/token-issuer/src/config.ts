import { type CommonConfig, type Env, readCommonConfig, readEnv } from '@writ/service-kit'
import { z } from 'zod'

export interface Config extends CommonConfig {
  /** `WRIT_REDIS_URL`: `redis://[user:password@]host:port[/db]` or `rediss://…`. Tokens are minted and redeemed without it too. */
  readonly redisUrl: string
  /** `WRIT_IN_FLIGHT_MAX`: requests of each kind in hand at a time; more are answered `unavailable`. Absent: 256. */
  readonly inFlightMax: number
}

const Own = z.object({
  WRIT_REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  WRIT_IN_FLIGHT_MAX: z.coerce.number().int().min(1).max(10_000).default(256),
})

export function readConfig(env: Env): Config {
  const own = readEnv(Own, env)
  return Object.freeze({
    ...readCommonConfig(env),
    redisUrl: own.WRIT_REDIS_URL,
    inFlightMax: own.WRIT_IN_FLIGHT_MAX,
  })
}
