import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type Fault, isFault } from '@writ/contracts'
import fc from 'fast-check'
import { createTar } from 'nanotar'
import { describe, expect, it } from 'vitest'
import { openBundle } from './open-bundle.ts'

const committed = readFileSync(new URL('../../../../policies/bundle/bundle.tar.gz', import.meta.url))
const MANIFEST = {
  revision: 'r1',
  roots: [''],
  rego_version: 1,
  wasm: [{ entrypoint: 'writ/decision', module: '/policy.wasm' }],
  metadata: { reasons: [{ code: 'policy_denied', message: 'No.' }] },
}

type Files = readonly (readonly [string, string])[]
const good: Files = [
  ['/.manifest', JSON.stringify(MANIFEST)],
  ['/data.json', '{}'],
  ['/policy.wasm', 'wasm'],
]
const pack = (files: Files) => gzipSync(createTar(files.map(([name, data]) => ({ name, data }))))
const withFile = (name: string, data: string): Files => [...good.filter(([other]) => other !== name), [name, data]]
const manifest = (change: object) => pack(withFile('/.manifest', JSON.stringify({ ...MANIFEST, ...change })))

function codeOf(bytes: Uint8Array): string {
  try {
    openBundle(bytes)
    return 'opened'
  } catch (error) {
    return isFault(error) ? (error as Fault).code : `bug: ${error}`
  }
}

describe('a bundle', () => {
  it('opens to its parts, and its digest is that of its bytes', () => {
    const bundle = openBundle(pack(good))
    expect(bundle).toMatchObject({ revision: 'r1', data: {}, reasons: MANIFEST.metadata.reasons })
    expect(Buffer.from(bundle.wasm).toString()).toBe('wasm')
    expect(bundle.bundleSha256).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })

  it('opens when it lies inside a larger buffer', () => {
    const bytes = pack(good)
    const larger = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
    expect(openBundle(larger.subarray(6, 6 + bytes.byteLength)).revision).toBe('r1')
  })

  it('is refused above 900 KiB, and when it unpacks to more than 16 MiB', () => {
    expect(codeOf(new Uint8Array(900 * 1024 + 1))).toBe('too_large')
    expect(codeOf(gzipSync(Buffer.alloc(17 * 1024 * 1024)))).toBe('too_large')
  })

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['not gzip', Buffer.from('bundle')],
    ['an empty archive', gzipSync(Buffer.alloc(1024))],
    ['no manifest', pack(good.slice(1))],
    ['no data', pack([good[0], good[2]] as Files)],
    ['no Wasm', pack(good.slice(0, 2))],
    ['a file twice', pack([...good, ['policy.wasm', 'other']])],
    ['a file twice by another path', pack([...good, ['./x/../../policy.wasm', 'other']])],
    ['another file', pack([...good, ['install.sh', 'rm -rf /']])],
    ['a folder', gzipSync(createTar([{ name: 'rego/' }]))],
    ['a manifest that is not JSON', pack(withFile('/.manifest', '{'))],
    ['data that is no object', pack(withFile('/data.json', '[]'))],
    ['data that is not UTF-8', gzipSync(createTar([{ name: '.manifest', data: Uint8Array.of(0xff) }]))],
    ['a revision that is no word', manifest({ revision: 'two words' })],
    ['no revision', manifest({ revision: '' })],
    ['other roots', manifest({ roots: ['writ'] })],
    ['another Rego', manifest({ rego_version: 0 })],
    ['no entry point', manifest({ wasm: [] })],
    ['another entry point', manifest({ wasm: [{ entrypoint: 'writ/allow', module: '/policy.wasm' }] })],
    ['no reasons', manifest({ metadata: {} })],
    ['a reason of no known code', manifest({ metadata: { reasons: [{ code: 'x', message: 'y' }] } })],
  ])('is refused: %s', (_, bytes) => {
    expect(codeOf(bytes)).toBe('malformed')
  })

  it('never fails in another way than by a Fault, whichever bytes of its archive are changed', () => {
    const tar = gunzipSync(committed)
    const change = fc.tuple(fc.nat(8 * 1024), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(tar.subarray(0, 64 * 1024))
        for (const [at, byte] of changes) changed[at] = byte
        expect(codeOf(gzipSync(changed, { level: 0 }))).toMatch(/^(opened|malformed|too_large)$/)
      }),
      { numRuns: 100 },
    )
  })
})
