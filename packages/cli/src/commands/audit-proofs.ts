import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { ReadEntry } from '@writ/audit'
import { writeFileDurably } from '@writ/durable'

/**
 * Writes of each entry its bytes and, where it is proven, its inclusion proof: `<log>-<leaf>.entry` and `<log>-<leaf>.tlog-proof`, as any tool for
 * transparency logs reads them. Returns the files.
 */
export async function writeProofs(entries: readonly ReadEntry[], folder: string): Promise<readonly string[]> {
  await mkdir(resolve(folder), { recursive: true, mode: 0o700 })
  const files: string[] = []
  for (const { origin, index, entry, proof } of entries) {
    if (entry === undefined || proof === undefined) continue
    const name = join(resolve(folder), `${origin.replaceAll('/', '_')}-${index}`)
    await writeFileDurably(`${name}.entry`, entry)
    await writeFileDurably(`${name}.tlog-proof`, proof)
    files.push(`${name}.entry`, `${name}.tlog-proof`)
  }
  return files
}
