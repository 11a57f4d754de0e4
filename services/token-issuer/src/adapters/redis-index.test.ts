import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startRedis, type TestRedis } from '../../../../test/support/redis.ts'
import type { IndexedToken } from '../ports.ts'
import { RedisIndex } from './redis-index.ts'

const tokenOf = (n: number): IndexedToken => ({
  tokenId: `t${n}`,
  agentId: 'crew',
  iat: Math.floor(Date.now() / 1000),
  token: `token ${n}`,
})

/** Keys of tokens and of their sets, each with its seconds to live; -1: without an end. */
async function ends(redis: TestRedis): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const key of ['tokens', 'tokens:crew', 'token:t0', 'token:t1', 'use:u1']) {
    const ttl = Number((await redis.run(`TTL writ:test:${key}`)).slice(1))
    if (ttl !== -2) found.set(key, ttl)
  }
  return found
}

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10_000; !(await look()); await delay(10))
    if (performance.now() > end) throw new Error(`Not in time: ${what}`)
}

describe('every key has an end', () => {
  test('also in a Redis that was emptied a moment after a set had been given its end', async () => {
    await using redis = await startRedis()
    await using index = RedisIndex.start({
      url: redis.url,
      region: 'test',
      everything: async function* () {},
      report: () => undefined,
    })
    await until(
      'the index is filled',
      async () => index.complete && (await redis.run('EXISTS writ:test:filled')).startsWith(':1'),
    )
    index.recordToken(tokenOf(0))
    await until('the first token is there', async () => (await ends(redis)).has('token:t0'))
    await redis.run('FLUSHALL')
    index.recordToken(tokenOf(1))
    index.recordUse('u1', 'digest')
    await until('the second token and the use are there', async () => (await ends(redis)).size === 4)
    const left = await ends(redis)
    expect([...left.keys()]).toEqual(['tokens', 'tokens:crew', 'token:t1', 'use:u1'])
    expect([...left.values()].every((seconds) => seconds > 0)).toBe(true)
  })
})
