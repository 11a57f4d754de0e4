import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openBundle } from '../bundle/open-bundle.ts'
import { packBundle } from './pack-bundle.ts'
import { readSources, sourcesSha256 } from './sources.ts'

const directory = fileURLToPath(new URL('../../../../policies', import.meta.url))

describe('the committed bundle', () => {
  it('is built from the sources beside it (if not: npm run policy)', async () => {
    const bundle = openBundle(readFileSync(`${directory}/bundle/bundle.tar.gz`))
    expect(bundle.revision).toBe(sourcesSha256(await readSources(directory)))
  })
})

describe('the digest of sources', () => {
  const file = (path: string, text: string) => ({ path, bytes: new TextEncoder().encode(text) })

  it('changes with every byte and every name', () => {
    const digest = sourcesSha256([file('a', 'x'), file('b', 'y')])
    expect(sourcesSha256([file('a', 'x'), file('b', 'z')])).not.toBe(digest)
    expect(sourcesSha256([file('a', 'x'), file('c', 'y')])).not.toBe(digest)
    expect(sourcesSha256([file('a', 'x')])).not.toBe(digest)
  })

  it('leaves tests out, so that a test may change without a new bundle', async () => {
    const paths = (await readSources(directory)).map(({ path }) => path)
    expect(paths).toContain('rego/actions/restart.rego')
    expect(paths).toContain('data/firmware.json')
    expect(paths.filter((path) => path.endsWith('_test.rego'))).toEqual([])
  })
})

describe('the sources', () => {
  it('negate bare names and calls with bare names only: an undefined reference inside a negation would drop its rule', async () => {
    for (const { path, bytes } of await readSources(directory)) {
      if (!path.endsWith('.rego')) continue
      const text = Buffer.from(bytes).toString('utf8').replaceAll(/#.*$/gm, '')
      for (const [negation] of text.matchAll(/\bnot [^\n}]*/g)) {
        expect(negation.trim(), path).toMatch(/^not [a-z_]+(\.[a-z_]+)*(\([a-z_, ]+\))?$/)
      }
    }
  })
})

describe('packing', () => {
  it('gives the same bytes in whatever order the files come', () => {
    const files = ['/b.rego', '/a.rego'].map((path) => ({ path, bytes: new TextEncoder().encode(path) }))
    expect(packBundle(files)).toEqual(packBundle(files.toReversed()))
  })
})
