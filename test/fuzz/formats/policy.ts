import { gzipSync } from 'node:zlib'
import { openBundle, type PolicyBundle } from '@writ/policy'
import fc from 'fast-check'
import { createTar } from 'nanotar'
import { bytes, type Format, format } from '../format.ts'
import { jsonText } from './json.ts'

const MANIFEST = {
  revision: 'r1',
  roots: [''],
  rego_version: 1,
  wasm: [{ entrypoint: 'writ/decision', module: '/policy.wasm' }],
  metadata: {
    reasons: [{ code: 'policy_denied', message: 'No.' }],
    golden: { one: { input: { a: 1 }, expect: { outcome: 'deny' } } },
  },
}
const tar = (manifest: string, data: string): Uint8Array =>
  createTar(
    [
      { name: '/.manifest', data: manifest },
      { name: '/data.json', data },
      { name: '/policy.wasm', data: '\0asm' },
      { name: '/writ/main.rego', data: 'package writ\n' },
    ],
    { attrs: { mode: '644', uid: 0, gid: 0, mtime: 0 } },
  )
const sample = tar(JSON.stringify(MANIFEST), '{"zones":{"hall":["d1"]}}')

/** Only names and texts that a bundle may hold come out. */
function wrongWith({ modules, revision, wasm, golden }: PolicyBundle): string | undefined {
  if (![...modules.keys()].every((path) => path.endsWith('.rego') && !path.split('/').includes('..')))
    return 'A module has a path that is none.'
  if (!/^[\x21-\x7e]{1,128}$/.test(revision)) return 'A revision that is no word.'
  return wasm instanceof Uint8Array && golden instanceof Map ? undefined : 'A part of another type.'
}

/** Policy bundles by their tar, packed anew: gzip's checksum would hide the tar from mutations. */
export const bundleTar = (): Format =>
  format<PolicyBundle>({
    name: 'bundle-tar',
    samples: [sample, tar(JSON.stringify({ ...MANIFEST, revision: 'r2' }), '{}')],
    garbage: fc
      .tuple(jsonText, jsonText)
      .map(([manifest, data]) => tar(Buffer.from(manifest).toString('utf8'), Buffer.from(data).toString('utf8'))),
    read: (input) => openBundle(gzipSync(input, { level: 0 })),
    check: wrongWith,
  })

/** Small files that unpack to much: 1 MiB, and more than is taken. */
const BOMBS = [1, 17].map((mib) => gzipSync(Buffer.alloc(mib * 2 ** 20)))

/** Policy bundles as they lie in the stream. */
export const bundle = (): Format =>
  format<PolicyBundle>({
    name: 'bundle-gzip',
    samples: [gzipSync(sample), gzipSync(sample, { level: 0 })],
    garbage: fc.oneof(
      { weight: 20, arbitrary: fc.uint8Array({ maxLength: 60 }) },
      { weight: 20, arbitrary: fc.uint8Array({ maxLength: 600 }).map((raw) => gzipSync(raw)) },
      fc.constantFrom(...BOMBS),
      { weight: 20, arbitrary: jsonText.map((text) => gzipSync(bytes(Buffer.from(text).toString('utf8')))) },
    ),
    read: openBundle,
    check: wrongWith,
  })
