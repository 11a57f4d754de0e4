import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { startRedis, type TestRedis } from '../../../../test/support/redis.ts'
import type { IndexedToken } from '../ports.ts'
import { RedisIndex } from './redis-index.ts'

afterEach(() => vi.useRealTimers())

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

describe('a list is whole, or it is not given', () => {
  const agentId = 'crew'
  const items = async (index: RedisIndex) => (await index.list({ agentId, limit: 10 })).items
  const unavailable = { code: 'unavailable' }

  test('while everything is written again, though an earlier mark is there, and when that fails in the middle', async () => {
    await using redis = await startRedis()
    await redis.run('SET writ:test:filled 1')
    const [first, second] = [tokenOf(0), tokenOf(1)]
    let goOn: (how: 'fail' | 'end') => void = () => undefined
    const reports: string[] = []
    await using index = RedisIndex.start({
      url: redis.url,
      region: 'test',
      everything: async function* () {
        yield { kind: 'token', ...first }
        const how = await new Promise<'fail' | 'end'>((resolve) => {
          goOn = resolve
        })
        if (how === 'fail') throw new Error('the bucket is away')
        yield { kind: 'token', ...second }
      },
      report: (problem) => reports.push(problem),
    })
    await until('the first token is there', async () => (await ends(redis)).has('token:t0'))
    expect(index.complete).toBe(false)
    await expect(items(index)).rejects.toMatchObject(unavailable)
    const failed = goOn
    goOn('fail')
    await until('it is reported', () => reports.includes('The token index could not be filled.'))
    expect(index.complete).toBe(false)
    await expect(items(index)).rejects.toMatchObject(unavailable)
    await until('it is tried again', () => goOn !== failed)
    goOn('end')
    await until('it is whole', () => index.complete)
    expect(await items(index)).toEqual(['token 1', 'token 0'])
  }, 30_000)

  test('with a token that came while Redis did not answer, without waiting for the next look', async () => {
    // No look comes by itself.
    vi.useFakeTimers({ toFake: ['setInterval'] })
    await using redis = await startRedis()
    await using index = RedisIndex.start({
      url: redis.url,
      region: 'test',
      everything: async function* () {},
      report: () => undefined,
    })
    await until('the index is filled', async () => {
      return index.complete && (await redis.run('EXISTS writ:test:filled')).startsWith(':1')
    })
    redis.pause()
    index.recordToken(tokenOf(0))
    await until('the write was late', () => !index.complete)
    await expect(items(index)).rejects.toMatchObject(unavailable)
    redis.resume()
    let listed: readonly string[] | undefined
    await until('the list is given', async () => {
      listed = await items(index).catch(() => undefined)
      return listed !== undefined
    })
    expect(listed).toEqual(['token 0'])
  }, 30_000)
})
