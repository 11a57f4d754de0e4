import { readFile } from 'node:fs/promises'
import type { Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { EvaluatorCache } from './evaluator-cache.ts'

const bundle = await readFile(new URL('../../../policies/bundle/bundle.tar.gz', import.meta.url))
const digest = sha256(bundle)
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: Fault) => error.code,
  )

describe('bundles are loaded by the digest that the record names', () => {
  test('refuses a bundle that is not the one that is named', async () => {
    const cache = new EvaluatorCache({ fetch: async () => bundle })
    expect(await codeOf(cache.get(sha256('another')))).toBe('unavailable')
  })

  test('refuses a bundle that is named rightly and is none', async () => {
    const cache = new EvaluatorCache({ fetch: async () => Buffer.from('no bundle') })
    expect(await codeOf(cache.get(sha256('no bundle')))).toBe('unavailable')
  })

  test('tries again what could not be had, and loads each bundle once', async () => {
    const found: (Uint8Array | undefined)[] = [undefined, bundle]
    const cache = new EvaluatorCache({ fetch: async () => found.shift() })
    expect(await codeOf(cache.get(digest))).toBe('unavailable')
    const [first, second] = await Promise.all([cache.get(digest), cache.get(digest)])
    expect(first).toBe(second)
    expect(first.bundleSha256).toBe(digest)
  })
})
