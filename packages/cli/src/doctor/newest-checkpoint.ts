import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openLogCheckpoint, parseVkey } from '@writ/audit'
import { isFault } from '@writ/contracts'
import { errnoOf } from '@writ/durable'

/** The checkpoint that a store shows, opened with pinned keys. Undefined: there is none. */
export async function checkpointOf(
  storeDir: string,
  origin: string,
  vkeys: readonly string[],
): Promise<{ readonly origin: string; readonly size: number } | { readonly problem: string } | undefined> {
  const note = await readFile(join(storeDir, origin, 'checkpoint'), 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (note === undefined) return undefined
  try {
    const { size } = openLogCheckpoint(note, vkeys.map(parseVkey))
    return { origin, size }
  } catch (error) {
    if (isFault(error)) return { problem: error.message }
    throw error
  }
}
