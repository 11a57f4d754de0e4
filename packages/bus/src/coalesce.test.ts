import { expect, test } from 'vitest'
import { coalesce } from './coalesce.ts'

test('a caller gets a run that began after it asked, shared by all who asked meanwhile', async () => {
  let begun = 0
  const ends: (() => void)[] = []
  const call = coalesce(() => {
    begun += 1
    const run = begun
    return new Promise<number>((resolve) => {
      ends.push(() => resolve(run))
    })
  })
  const first = call()
  const [second, third] = [call(), call()]
  expect(begun).toBe(1)
  ends[0]?.()
  expect(await first).toBe(1)
  const fourth = call()
  await Promise.resolve()
  expect(begun).toBe(2)
  ends[1]?.()
  expect(await Promise.all([second, third])).toEqual([2, 2])
  const late = await Promise.race([fourth, Promise.resolve('not yet')])
  if (late === 'not yet') ends[2]?.()
  expect(await fourth).toBeGreaterThanOrEqual(2)
})

test('a run that fails fails for those who asked for it, and the next one begins', async () => {
  const outcomes = [Promise.reject(new Error('first')), Promise.resolve('second')]
  const call = coalesce(() => outcomes.shift() ?? Promise.resolve('more'))
  const [first, second] = [call(), call()]
  await expect(first).rejects.toThrow('first')
  expect(await second).toBe('second')
})
