import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openBundle } from '../bundle/open-bundle.ts'
import { unsafeNegations } from './negations.ts'
import { packBundle } from './pack-bundle.ts'
import { unheededResidency } from './residency.ts'
import { readSources, sourcesSha256 } from './sources.ts'

const directory = fileURLToPath(new URL('../../../../policies', import.meta.url))

describe('the committed bundle', () => {
  it('is built from the sources beside it (if not: npm run policy)', async () => {
    const bundle = openBundle(readFileSync(`${directory}/bundle/bundle.tar.gz`))
    expect(bundle.revision).toBe(sourcesSha256(await readSources(directory)))
  })
})

const file = (path: string, text: string) => ({ path, bytes: new TextEncoder().encode(text) })

describe('the digest of sources', () => {
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

describe('annotations that force a jurisdiction', () => {
  const annotated = (line: string, rule: string) =>
    file('rego/actions/x.rego', `# METADATA\n# custom:\n#   ${line}\npackage writ.actions.x\n\n${rule}\n`)
  const heeded = 'resident if residency.permitted(rego.metadata.chain())'

  it('are heeded by every module that has them', async () => {
    expect(unheededResidency(await readSources(directory))).toEqual([])
    expect(
      unheededResidency([annotated('data_class: personal', heeded), annotated('title: x', 'allow := true')]),
    ).toEqual([])
  })

  it.each(['residency: [us-east-1]', 'data_class: personal'])('are refused where nothing reads them: %s', (line) => {
    expect(unheededResidency([annotated(line, 'allow := true')])).toEqual(['rego/actions/x.rego'])
    expect(unheededResidency([annotated(line, `# ${heeded}`)])).toEqual(['rego/actions/x.rego'])
  })
})

describe('the sources', () => {
  it('negate bare names and calls with bare names only: an undefined reference inside a negation would drop its rule', async () => {
    expect(unsafeNegations(await readSources(directory))).toEqual([])
    const unsafe = ['not input.target.x == 1', 'not data.t[input.x]', 'not f(input.x)', 'not x in data.t']
    for (const negation of unsafe) {
      const source = file('a.rego', `package a\n\ndeny if {\n\t${negation} # why\n}\n`)
      expect(unsafeNegations([source])).toEqual([`a.rego:4 \`${negation}\``])
    }
    expect(unsafeNegations([file('a.rego', 'deny if not pressure_low\nx if not met(terms, now)\n')])).toEqual([])
  })
})

describe('packing', () => {
  it('gives the same bytes in whatever order the files come', () => {
    const files = ['/b.rego', '/a.rego'].map((path) => ({ path, bytes: new TextEncoder().encode(path) }))
    expect(packBundle(files)).toEqual(packBundle(files.toReversed()))
  })
})
