import { expect, test } from 'vitest'
import { Teardown } from './teardown.ts'

test('releases in reverse order, everything, and then throws the first error', async () => {
  const order: number[] = []
  const teardown = new Teardown()
  for (const n of [1, 2, 3]) {
    teardown.defer(() => {
      order.push(n)
      if (n > 1) throw new Error(`${n}`)
    })
  }
  await expect(teardown[Symbol.asyncDispose]()).rejects.toThrow('3')
  expect(order).toEqual([3, 2, 1])
  await teardown[Symbol.asyncDispose]()
  expect(order).toHaveLength(3)
})

test('what was handed over outlives the scope', async () => {
  let released = false
  const owner = await (async () => {
    await using teardown = new Teardown()
    teardown.defer(() => {
      released = true
    })
    return teardown.release()
  })()
  expect(released).toBe(false)
  await owner[Symbol.asyncDispose]()
  expect(released).toBe(true)
})
