import { gunzipSync } from 'node:zlib'
import { BUNDLE_BYTES_MAX, Fault, type JsonObject, type Reason, StrictReason } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import { type ParsedTarFileItem, parseTar } from 'nanotar'
import { type GoldenDecision, goldenOf } from './golden.ts'

export const ENTRYPOINT = 'writ/decision'
const UNPACKED_BYTES_MAX = 16 * 1024 * 1024
const FILES_MAX = 1000

/** A policy bundle taken apart. Nothing of it has run yet; whose it is says the `policy/active` record that names its digest. */
export interface PolicyBundle {
  /** Unpadded base64url SHA-256 of the bundle's bytes: how records and decisions name it. */
  readonly bundleSha256: string
  /** Of the manifest: for the supplied library the digest of its sources. */
  readonly revision: string
  readonly wasm: Uint8Array
  readonly data: JsonObject
  /** Every reason that the bundle can give. */
  readonly reasons: readonly Reason[]
  /** The Rego modules that the Wasm was made from, by path: for people and for diffs, not evaluated. */
  readonly modules: ReadonlyMap<string, string>
  /** The bundle's own tests, by name: what it is to decide on which input. Nothing that decides looks at them. */
  readonly golden: ReadonlyMap<string, GoldenDecision>
}

/**
 * Opens an OPA bundle (a gzipped tar with `.manifest`, `data.json`, `policy.wasm` and Rego modules, nothing else).
 * Throws Fault `too_large` above 900 KiB, or 16 MiB unpacked; `malformed` for anything that is not such a bundle.
 */
export function openBundle(bytes: Uint8Array): PolicyBundle {
  if (bytes.byteLength > BUNDLE_BYTES_MAX) throw new Fault('too_large', { message: 'The bundle is over 900 KiB.' })
  const files = filesOf(unzip(bytes))
  const manifest = jsonOf(files, '.manifest')
  checkManifest(manifest)
  const wasm = files.get('policy.wasm')
  if (wasm === undefined) throw malformed('The bundle has no policy.wasm.')
  return {
    bundleSha256: sha256(bytes),
    revision: revisionOf(manifest),
    wasm,
    data: jsonOf(files, 'data.json'),
    reasons: reasonsOf(manifest),
    modules: new Map([...files].filter(([path]) => path.endsWith('.rego')).map(([path, text]) => [path, utf8(text)])),
    golden: goldenOf(isObject(manifest['metadata']) ? manifest['metadata']['golden'] : undefined),
  }
}

function unzip(bytes: Uint8Array): ArrayBuffer {
  try {
    const tar = gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX })
    // nanotar reads the whole underlying buffer, so it gets one that holds this and nothing else.
    return new Uint8Array(tar).buffer
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new Fault('too_large', { message: 'The bundle is over 16 MiB unpacked.', cause })
    }
    throw malformed('The bundle is not gzip.', cause)
  }
}

function filesOf(tar: ArrayBuffer): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const item of entriesOf(tar)) {
    const known = item.name === '.manifest' || item.name === 'data.json' || item.name === 'policy.wasm'
    if (item.type !== 'file' || !(known || item.name.endsWith('.rego'))) {
      throw malformed('The bundle holds something that is no part of a bundle.')
    }
    if (files.has(item.name)) throw malformed('The bundle holds a file twice.')
    files.set(item.name, item.data ?? new Uint8Array(0))
  }
  return files
}

function entriesOf(tar: ArrayBuffer): readonly ParsedTarFileItem[] {
  let items: readonly ParsedTarFileItem[]
  try {
    items = parseTar(tar)
  } catch (cause) {
    throw malformed('The bundle is not a tar archive.', cause)
  }
  if (items.length === 0 || items.length > FILES_MAX) throw malformed('The bundle is empty or holds too many files.')
  return items
}

function checkManifest({ roots, rego_version, wasm }: JsonObject): void {
  if (!Array.isArray(roots) || roots.length !== 1 || roots[0] !== '') {
    throw malformed('The manifest must say that the bundle is the whole policy.')
  }
  if (rego_version !== 1) throw malformed('The manifest must name Rego version 1.')
  const resolvers = Array.isArray(wasm) ? wasm : []
  const [resolver] = resolvers
  const one = resolvers.length === 1 && isObject(resolver) && resolver['module'] === '/policy.wasm'
  if (!one || resolver['entrypoint'] !== ENTRYPOINT) {
    throw malformed(`The manifest must name ${ENTRYPOINT} as its one entry point.`)
  }
}

function revisionOf({ revision }: JsonObject): string {
  if (typeof revision !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(revision)) {
    throw malformed('The manifest must name a revision.')
  }
  return revision
}

function reasonsOf({ metadata }: JsonObject): readonly Reason[] {
  const parsed = StrictReason.array().safeParse(isObject(metadata) ? metadata['reasons'] : undefined)
  if (!parsed.success) throw malformed('The manifest must list the reasons that the bundle gives.')
  return parsed.data
}

function jsonOf(files: ReadonlyMap<string, Uint8Array>, path: string): JsonObject {
  const bytes = files.get(path)
  if (bytes === undefined) throw malformed(`The bundle has no ${path}.`)
  let value: unknown
  try {
    value = JSON.parse(utf8(bytes))
  } catch (cause) {
    throw malformed(`${path} is not JSON.`, cause)
  }
  if (!isObject(value)) throw malformed(`${path} is not a JSON object.`)
  return value
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw malformed('The bundle holds text that is not UTF-8.', cause)
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(message: string, cause?: unknown): Fault {
  return new Fault('malformed', { message, cause })
}
