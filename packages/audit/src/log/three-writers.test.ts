import { DirectoryStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import { dir } from '../testing/log.ts'
import { memoryStore } from '../testing/memory-store.ts'
import { SEAL_STEPS } from '../testing/seal-steps.ts'
import { runThreeWriters } from '../testing/three-writers.ts'

describe('of three writers on one log, two are paused, each between two steps of a seal', () => {
  test.each(SEAL_STEPS)(
    'the first before "%s", the second before each in turn, AUDIT as it was and made anew: one history of all that was ever signed',
    async (first) => {
      let runs = 0
      for (const [at, second] of SEAL_STEPS.entries())
        for (const rebuilt of [false, true]) {
          const firstGoesOn = (at + Number(rebuilt)) % 2 === 0 ? 'first' : 'second'
          await runThreeWriters(memoryStore(), { first, second, rebuilt, firstGoesOn })
          runs += 1
        }
      expect(runs).toBe(2 * SEAL_STEPS.length)
    },
    120_000,
  )

  test.each(SEAL_STEPS)(
    'in a directory, the first before "%s", the second before the same step',
    async (first) => {
      const store = await DirectoryStore.open(dir)
      await runThreeWriters(store, { first, second: first, rebuilt: true, firstGoesOn: 'second' })
    },
    120_000,
  )
})
