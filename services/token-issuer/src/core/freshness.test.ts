import { describe, expect, test } from 'vitest'
import { codeOf } from '../testing/decisions.ts'
import { Freshness } from './freshness.ts'
import { tickLoop } from './tick-loop.ts'

describe('an issuer acts only within 3 s of the start of its last acknowledged tick', () => {
  test('not before the first, not at 3 s, and by the start and not by the acknowledgement', async () => {
    let now = 10_000
    const freshness = new Freshness(() => now)
    expect(await codeOf(() => freshness.assert())).toBe('unavailable')
    freshness.acknowledged(8000)
    expect(freshness.fresh).toBe(true)
    now = 10_999
    expect(freshness.fresh).toBe(true)
    now = 11_000
    expect(await codeOf(() => freshness.assert())).toBe('unavailable')
  })

  test('an acknowledgement that comes late does not take back a later one', () => {
    const freshness = new Freshness(() => 10_000)
    freshness.acknowledged(9000)
    freshness.acknowledged(5000)
    expect(freshness.ageMs).toBe(1000)
  })
})

describe('ticks', () => {
  /** A loop over these answers: true acknowledged, false overtaken, an error not known. Each takes 10 ms. */
  async function run(answers: (boolean | Error)[]) {
    let now = 0
    const happened: string[] = []
    const freshness = new Freshness(() => now)
    const ports = {
      tick: async () => {
        now += 10
        const answer = answers.shift()
        if (answer instanceof Error) throw answer
        return answer === true
      },
      catchUp: async () => {
        happened.push('catch up')
      },
      monotonicMs: () => now,
      wait: async (ms: number) => {
        now += ms
        happened.push(`wait ${ms}`)
      },
      acknowledged: (tookMs: number) => {
        happened.push(`ticked ${tookMs}`)
      },
      failed: () => {
        happened.push('failed')
      },
    }
    await tickLoop(ports, freshness, () => answers.length === 0)
    return { happened, ageMs: freshness.ageMs }
  }

  test('are a second apart, from start to start', async () => {
    expect((await run([true, true])).happened).toEqual(['ticked 10', 'wait 990', 'ticked 10', 'wait 990'])
  })

  test('that fail are followed by catching up and another attempt at once, and make nobody fresh', async () => {
    const { happened, ageMs } = await run([false, new Error('lost')])
    expect(happened).toEqual(['failed', 'catch up', 'wait 50', 'failed', 'catch up', 'wait 50'])
    expect(ageMs).toBeUndefined()
  })
})
