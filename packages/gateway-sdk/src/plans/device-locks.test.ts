import { expect, test } from 'vitest'
import { DeviceLocks } from './device-locks.ts'

const never = new AbortController().signal

test('lets one in at a time, in order, for each device by itself', async () => {
  const locks = new DeviceLocks()
  const order: string[] = []
  const first = await locks.take('d1', never)
  const waiting = ['a', 'b'].map(async (name) => {
    const release = await locks.take('d1', never)
    order.push(name)
    release()
  })
  const other = await locks.take('d2', never)
  expect(order).toEqual([])
  first()
  await Promise.all(waiting)
  expect(order).toEqual(['a', 'b'])
  other()
})

test('who gives up leaves the queue and keeps nobody out', async () => {
  const locks = new DeviceLocks()
  const stop = new AbortController()
  const release = await locks.take('d1', never)
  const gaveUp = locks.take('d1', stop.signal)
  const next = locks.take('d1', never)
  stop.abort(new Error('stopped'))
  await expect(gaveUp).rejects.toThrow('stopped')
  release()
  ;(await next)()
  await expect(locks.take('d1', stop.signal)).rejects.toThrow('stopped')
})
