import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { sha256 } from '@writ/keys'

/** The OPA that bundles are built with: the same sources and version give the same bytes. */
export const OPA_VERSION = '1.22.2'

export interface SourceFile {
  /** Relative to the policies folder, with `/`. */
  readonly path: string
  readonly bytes: Uint8Array
}

/**
 * What a bundle is made from: the Rego modules without their tests, the data tables, the golden decisions and the list of builtins;
 * sorted by path.
 */
export async function readSources(directory: string): Promise<readonly SourceFile[]> {
  const rego = await list(directory, 'rego', (name) => name.endsWith('.rego') && !name.endsWith('_test.rego'))
  const data = await list(directory, 'data', (name) => name.endsWith('.json'))
  const golden = await listIfThere(directory, 'golden', (name) => name.endsWith('.json'))
  const paths = [...rego, ...data, ...golden, 'capabilities.json'].toSorted()
  return Promise.all(paths.map(async (path) => ({ path, bytes: await readFile(join(directory, path)) })))
}

/** The digest of sources and compiler version that a bundle's manifest carries as its revision. */
export function sourcesSha256(sources: readonly SourceFile[]): string {
  const lines = sources.map(({ path, bytes }) => `${sha256(bytes)} ${path}\n`)
  return sha256(`opa ${OPA_VERSION}\n${lines.join('')}`)
}

async function list(directory: string, folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
}

/** A folder of policies may have no golden decisions yet; publishing a bundle without any is refused. */
async function listIfThere(...args: Parameters<typeof list>): Promise<string[]> {
  try {
    return await list(...args)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
