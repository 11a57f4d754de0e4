import { EPOCH, originOf, parseOrigin } from '../core/epoch.ts'
import { verifiersFor } from '../core/log-verifier.ts'
import type { NoteVerifier } from '../core/note.ts'
import type { LogReader } from './log-reader.ts'

/** Origins of one domain and region of which something is here, oldest first. `name`: `<domain>/<r>`, or one of its epochs. */
export async function epochsHere(reader: LogReader, name: string): Promise<string[]> {
  const log = parseOrigin(name) ?? parseOrigin(`${name}/0000h1`)
  if (log === undefined) return [name]
  const epochs = new Set<string>()
  for await (const child of reader.list(`${log.domain}/${log.region}/`)) {
    const epoch = child.replace(/(\.meta)?\/$/, '')
    if (EPOCH.test(epoch)) epochs.add(epoch)
  }
  return [...epochs].sort().map((epoch) => originOf(log, epoch))
}

/** The newest log here that a pinned key speaks for. Undefined where there is none. */
export async function newestOrigin(reader: LogReader, pinned: readonly NoteVerifier[]): Promise<string | undefined> {
  const found = new Set<string>()
  for (const key of pinned)
    for (const origin of await epochsHere(reader, key.name))
      if (verifiersFor(origin, [key]).length > 0) found.add(origin)
  return [...found].sort().at(-1)
}
