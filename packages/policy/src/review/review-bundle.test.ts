import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { JsonObject } from '@writ/contracts'
import fc from 'fast-check'
import { parseTar } from 'nanotar'
import { describe, expect, it } from 'vitest'
import { packBundle } from '../build/pack-bundle.ts'
import { openBundle } from '../bundle/open-bundle.ts'
import { Evaluator } from '../evaluator.ts'
import { reviewBundle } from './review-bundle.ts'

const committed = readFileSync(new URL('../../../../policies/bundle/bundle.tar.gz', import.meta.url))
const files = parseTar(new Uint8Array(gunzipSync(committed)).buffer).map(({ name, data }) => ({
  path: name.replace(/^\//, ''),
  bytes: data ?? new Uint8Array(0),
}))

/** The supplied bundle with other golden decisions or other tables. */
function variant({ golden, data }: { golden?: unknown; data?: (data: JsonObject) => JsonObject }): Uint8Array {
  const edit = (path: string, change: (value: JsonObject) => JsonObject) => (file: (typeof files)[number]) =>
    file.path === path
      ? {
          path,
          bytes: Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(file.bytes).toString()) as JsonObject))),
        }
      : file
  return packBundle(
    files
      .map(
        edit(
          '.manifest',
          (manifest) => ({ ...manifest, metadata: { ...Object(manifest['metadata']), golden } }) as JsonObject,
        ),
      )
      .map(edit('data.json', (tables) => data?.(tables) ?? tables)),
  )
}
const supplied = Object.fromEntries(openBundle(committed).golden)

describe('the review of a bundle', () => {
  it('finds nothing in the supplied one, whose golden decisions it carries', () => {
    const { table, problems } = reviewBundle(committed)
    expect(problems).toEqual([])
    expect(table).toHaveLength(Object.keys(supplied).length)
  })

  it('refuses one without golden decisions', () => {
    for (const golden of [undefined, {}]) expect(reviewBundle(variant({ golden })).problems).toHaveLength(1)
  })

  it('names each decision that its Wasm takes otherwise than the bundle says', () => {
    const data = (tables: JsonObject) => ({ ...tables, restart: { modes: [], guards: {} } })
    expect(reviewBundle(variant({ golden: supplied, data })).problems).toContain(
      'golden/restart-allowed: deny; allow is expected.',
    )
  })

  it('takes any expectation that is no such decision for one that is not met, and never fails on it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (expected) => {
        const { input } = supplied['restart-allowed'] as { input: object }
        const { problems } = reviewBundle(variant({ golden: { one: { input, expect: expected } } }))
        expect(problems).toHaveLength(1)
      }),
      { numRuns: 30 },
    )
  })

  it.each([
    ['a list', []],
    ['a number', 1],
    ['no input', { a: { expect: {} } }],
    ['no expectation', { a: { input: {} } }],
    ['null', { a: null }],
  ])('opens none whose golden decisions are %s', (_, golden) => {
    expect(() => reviewBundle(variant({ golden }))).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('shows in what another bundle decided otherwise before', () => {
    const data = (tables: JsonObject) => ({ ...tables, restart: { modes: [], guards: {} } })
    const before = Evaluator.load(openBundle(variant({ golden: supplied, data })))
    const row = reviewBundle(committed, before).table.find(({ name }) => name === 'restart-allowed')
    expect(row).toMatchObject({ before: { outcome: 'deny' }, after: { outcome: 'allow' } })
    expect(row?.changed).toContain('outcome')
  })
})
