import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { lookAhead } from './look-ahead.ts'

async function* upTo(count: number, seen: number[] = [], fault?: Error): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) {
    await turn()
    seen.push(n)
    yield n
  }
  if (fault !== undefined) throw fault
}

const slow = (n: number) => ({ twice: 2 * n, ready: new Promise<void>((resolve) => setTimeout(resolve, n % 3)) })

test('items come in their order, each prepared, whichever was ready first', async () => {
  const got: number[] = []
  for await (const { item, prepared } of lookAhead(upTo(200), slow)) {
    expect(prepared.twice).toBe(2 * item)
    got.push(item)
  }
  expect(got).toEqual(Array.from({ length: 200 }, (_, n) => n))
})

test('a source that fails says so after everything that came before', async () => {
  const got: number[] = []
  const reading = (async () => {
    for await (const { item } of lookAhead(upTo(50, [], new Error('gone')), slow)) got.push(item)
  })()
  await expect(reading).rejects.toThrow('gone')
  expect(got).toHaveLength(50)
})

test('no more than a bounded number is in hand', async () => {
  const seen: number[] = []
  let most = 0
  for await (const { item } of lookAhead(upTo(300, seen), slow)) {
    await turn()
    most = Math.max(most, seen.length - item)
  }
  expect(most).toBeLessThanOrEqual(40)
})
