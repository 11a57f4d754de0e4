import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import type { JsonObject, Reason } from '@writ/contracts'
import { canonicalJson } from '@writ/keys'
import { parseTar } from 'nanotar'
import { ENTRYPOINT } from '../bundle/open-bundle.ts'
import { reasonKey } from '../core/decision.ts'
import { readGoldenFile } from './golden-files.ts'
import { packBundle } from './pack-bundle.ts'
import { OPA_VERSION, readSources, type SourceFile, sourcesSha256 } from './sources.ts'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

export interface BuildOptions {
  /** The policies folder: `rego/`, `data/`, `capabilities.json`. */
  readonly directory: string
  /** Path of the `opa` program. */
  readonly opa: string
}

/**
 * Builds the bundle of a policies folder. The same sources give the same bytes on any machine: OPA compiles to the same Wasm, and
 * the archive is packed again without anything that varies. Throws when OPA is another version or refuses the sources.
 */
export async function buildBundle({ directory, opa }: BuildOptions): Promise<Uint8Array> {
  await checkVersion(opa)
  const sources = await readSources(directory)
  const revision = sourcesSha256(sources)
  const scratch = await mkdtemp(join(tmpdir(), 'writ-bundle-'))
  try {
    const out = join(scratch, 'bundle.tar.gz')
    const flags = [
      '-t',
      'wasm',
      '--capabilities',
      'capabilities.json',
      '--ignore',
      '*_test.rego',
      '--revision',
      revision,
    ]
    await run(opa, ['build', ...flags, '-o', out, 'rego', 'data'], { cwd: directory })
    const built = parseTar(new Uint8Array(gunzipSync(await readFile(out))).buffer)
    const metadata = { reasons: await reasonsIn(opa, out), golden: goldenIn(sources) }
    const files = built.map(({ name, data }) =>
      withMetadata({ path: name, bytes: data ?? new Uint8Array(0) }, metadata),
    )
    return packBundle(files)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function checkVersion(opa: string): Promise<void> {
  const { stdout } = await run(opa, ['version'])
  if (!stdout.includes(`Version: ${OPA_VERSION}\n`))
    throw new Error(`Bundles are built with OPA ${OPA_VERSION}; this is ${stdout}`)
}

interface Annotation {
  readonly annotations: { readonly title?: string; readonly custom?: { readonly code?: string } }
}

/** Every rule that gives a reason carries its code and text as annotations. */
async function reasonsIn(opa: string, bundle: string): Promise<readonly Reason[]> {
  const { stdout } = await run(opa, ['inspect', '-a', '--format', 'json', bundle], { maxBuffer: OUTPUT_BYTES_MAX })
  const { annotations } = JSON.parse(stdout) as { readonly annotations: readonly Annotation[] }
  const found = annotations
    .filter(({ annotations: { custom } }) => custom?.code !== undefined)
    .map(({ annotations: { title, custom } }) => ({ code: custom?.code, message: title }) as Reason)
  return [...new Map(found.map((reason) => [reasonKey(reason), reason])).values()].toSorted((a, b) =>
    reasonKey(a) < reasonKey(b) ? -1 : 1,
  )
}

/** What the manifest says about the bundle beyond what OPA says. */
interface Metadata {
  readonly reasons: readonly Reason[]
  /** By file name without `.json`. */
  readonly golden: JsonObject
}

/** Throws Fault `malformed` for a file that is no golden decision. */
function goldenIn(sources: readonly SourceFile[]): JsonObject {
  const golden: JsonObject = {}
  for (const { path, bytes } of sources) {
    const name = /^golden\/(.+)\.json$/.exec(path)?.[1]
    if (name !== undefined) golden[name] = readGoldenFile(path, bytes) as unknown as JsonObject
  }
  return golden
}

function withMetadata(file: SourceFile, { reasons, golden }: Metadata): SourceFile {
  if (file.path !== '.manifest') return file
  const manifest = JSON.parse(Buffer.from(file.bytes).toString('utf8')) as JsonObject
  const wasm = [{ entrypoint: ENTRYPOINT, module: '/policy.wasm' }]
  const metadata = { reasons: reasons.map(({ code, message }) => ({ code, message })), golden }
  return { path: file.path, bytes: Buffer.from(canonicalJson({ ...manifest, wasm, metadata })) }
}
