import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
import { parseOrigin } from './epoch.ts'
import { type NoteVerifier, noteVerifier } from './note-key.ts'

/**
 * The verifiers that pinned log keys give for one origin. Each epoch's log has its key under its own name. A key is pinned as `<domain>/<r>`, or as the
 * origin of the epoch in which it was made; it speaks for that and later epochs of the same domain and region. For other origins there are none.
 */
export function verifiersFor(origin: string, pinned: readonly NoteVerifier[]): NoteVerifier[] {
  const log = parseOrigin(origin)
  return pinned.flatMap((key) => {
    if (key.name === origin) return [key]
    const own = parseOrigin(key.name) ?? parseOrigin(`${key.name}/0000h1`)
    const same = log !== undefined && own !== undefined && own.domain === log.domain && own.region === log.region
    return same && own.epoch < log.epoch ? [noteVerifier(origin, key.publicKey, key.type)] : []
  })
}

/** Opens a checkpoint of any epoch that the pinned log keys speak for. Faults of `openCheckpoint`. */
export function openLogCheckpoint(note: string, pinned: readonly NoteVerifier[]): OpenedCheckpoint {
  const origin = note.slice(0, Math.max(0, note.indexOf('\n')))
  return openCheckpoint(note, verifiersFor(origin, pinned))
}
