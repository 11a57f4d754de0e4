import type { StoreCheck } from '@writ/contracts'
import type { CheckResult, CheckState } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import { mayUseStore } from './may-use-store.ts'

const results = (...said: readonly (readonly [StoreCheck, CheckState])[]): CheckResult[] =>
  said.map(([check, state]) => ({ check, state, expected: '', observed: '' }))
const production = { mode: 'production' } as const
const development = { mode: 'development' } as const
const flagged = { unproven: 'tests' }

describe('a store', () => {
  test('that passes is used, also where a policy answered for the lock', () => {
    expect(mayUseStore(results(['versioning', 'ok'], ['delete_version', 'by policy']), production)).toBe(true)
  })

  test.each([
    ['failed a check', results(['versioning', 'ok'], ['bulk_delete', 'failed'])],
    ['failed one and is a directory', results(['retention', 'failed'], ['directory', 'failed'])],
  ])('that %s is never used in production, and in development only with the flag', (_, failed) => {
    expect(mayUseStore(failed, production)).toBe(false)
    expect(mayUseStore(failed, { ...production, ...flagged })).toBe(false)
    expect(mayUseStore(failed, development)).toBe(false)
    expect(mayUseStore(failed, { ...development, ...flagged })).toBe(true)
  })

  test('in a directory is used in production where somebody said so, and in development', () => {
    const directory = results(['directory', 'failed'])
    expect(mayUseStore(directory, production)).toBe(false)
    expect(mayUseStore(directory, { ...production, ...flagged })).toBe(true)
    expect(mayUseStore(directory, development)).toBe(true)
  })
})
