import { describe, expect, test } from 'vitest'
import { Worklist } from './worklist.ts'

interface Gate {
  readonly open: () => void
  readonly passed: Promise<void>
}
function gate(): Gate {
  let open: () => void = () => undefined
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, passed }
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

function list(advance: (key: string) => Promise<number>, inHandMax = 2) {
  const failures: string[] = []
  const time = { nowMs: 1000 }
  const worklist = new Worklist({ advance, onFailure: (key) => failures.push(key), nowMs: () => time.nowMs, inHandMax })
  return { worklist, failures, time }
}

describe('the worklist', () => {
  test('works on an intent once at a time, and looks at it again when something came meanwhile', async () => {
    const gates = [gate(), gate()]
    const begun: number[] = []
    const { worklist } = list(async () => {
      begun.push(begun.length)
      await gates[begun.length - 1]?.passed
      return Number.POSITIVE_INFINITY
    })
    worklist.kick('a')
    worklist.kick('a')
    worklist.kick('a')
    expect(begun.length).toBe(1)
    gates[0]?.open()
    await turn()
    expect(begun.length).toBe(2)
    gates[1]?.open()
    await turn()
    expect([begun.length, worklist.size]).toEqual([2, 0])
  })

  test('has so many in hand at a time; what withdraws something does not wait for them', async () => {
    const blocked = gate()
    const begun: string[] = []
    const { worklist } = list(async (key) => {
      begun.push(key)
      await blocked.passed
      return Number.POSITIVE_INFINITY
    })
    for (const key of ['a', 'b', 'c']) worklist.kick(key)
    worklist.kick('urgent', true)
    expect(begun).toEqual(['a', 'b', 'urgent'])
    blocked.open()
    await turn()
    expect(begun).toEqual(['a', 'b', 'urgent', 'c'])
  })

  test('tries again what failed, later and later, and says so', async () => {
    let calls = 0
    const { worklist, failures, time } = list(async () => {
      calls += 1
      throw new Error('away')
    })
    worklist.start(1)
    worklist.kick('a')
    await turn()
    expect([calls, failures]).toEqual([1, ['a']])
    time.nowMs += 200
    await expect.poll(() => calls).toBe(2)
    time.nowMs += 200
    await turn()
    expect(calls).toBe(2)
    time.nowMs += 300
    await expect.poll(() => calls).toBe(3)
    await worklist[Symbol.asyncDispose]()
  })

  test('leaves to another replica what it works on, and takes it over when that is silent', async () => {
    let calls = 0
    const { worklist, time } = list(async () => {
      calls += 1
      return Number.POSITIVE_INFINITY
    })
    worklist.start(1)
    worklist.note('a', undefined)
    time.nowMs += 14_999
    await turn()
    expect(calls).toBe(0)
    time.nowMs += 1
    await expect.poll(() => calls).toBe(1)
    await worklist[Symbol.asyncDispose]()
  })
})
