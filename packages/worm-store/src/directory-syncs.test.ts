import { expect, test } from 'vitest'
import { DirectorySyncs } from './directory-syncs.ts'

/** Flushes that end when the test says so. */
function stage() {
  const begun: { readonly dir: string; readonly end: (error?: Error) => void }[] = []
  const syncs = new DirectorySyncs(
    (dir) =>
      new Promise((resolve, reject) => {
        begun.push({ dir, end: (error) => (error === undefined ? resolve() : reject(error)) })
      }),
  )
  return { begun, syncs }
}
const turn = () => new Promise(setImmediate)

test('a name that was made during a flush is not taken for durable when that flush ends', async () => {
  const { begun, syncs } = stage()
  const first = syncs.sync('a')
  let done = false
  const second = syncs.sync('a').then(() => {
    done = true
  })
  begun[0]?.end()
  await first
  await turn()
  expect(done).toBe(false)
  begun[1]?.end()
  await second
  expect(done).toBe(true)
})

test('all who ask during a flush share the next one', async () => {
  const { begun, syncs } = stage()
  const asked = [syncs.sync('a'), syncs.sync('a'), syncs.sync('a'), syncs.sync('b')]
  expect(begun.map(({ dir }) => dir)).toEqual(['a', 'b'])
  for (const { end } of begun) end()
  await turn()
  expect(begun.map(({ dir }) => dir)).toEqual(['a', 'b', 'a'])
  begun[2]?.end()
  await Promise.all(asked)
})

test('a flush that fails is said to those who waited for it, and the next is tried all the same', async () => {
  const { begun, syncs } = stage()
  const first = syncs.sync('a')
  const second = syncs.sync('a')
  begun[0]?.end(new Error('disk'))
  await expect(first).rejects.toThrow('disk')
  await turn()
  begun[1]?.end()
  await second
  const third = syncs.sync('a')
  begun[2]?.end()
  await third
})
