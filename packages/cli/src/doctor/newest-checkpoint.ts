import { type LogReader, openLogCheckpoint, parseVkey } from '@writ/audit'
import { isFault } from '@writ/contracts'

/** The checkpoint that a store shows, opened with pinned keys. Undefined: there is none. */
export async function checkpointOf(
  reader: LogReader,
  origin: string,
  vkeys: readonly string[],
): Promise<{ readonly origin: string; readonly size: number } | { readonly problem: string } | undefined> {
  try {
    const note = await reader.read(`${origin}/checkpoint`)
    if (note === undefined) return undefined
    const { size } = openLogCheckpoint(Buffer.from(note).toString(), vkeys.map(parseVkey))
    return { origin, size }
  } catch (error) {
    if (isFault(error)) return { problem: error.message }
    throw error
  }
}
