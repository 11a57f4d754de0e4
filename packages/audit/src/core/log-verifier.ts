import { parseOrigin } from './epoch.ts'
import { type NoteVerifier, noteVerifier } from './note.ts'

/**
 * The verifiers that pinned log keys give for one origin. A key is pinned under the origin of the epoch in which it was made; it speaks for later epochs
 * of the same domain and region too, under their names. For other origins there are none.
 */
export function verifiersFor(origin: string, pinned: readonly NoteVerifier[]): NoteVerifier[] {
  const log = parseOrigin(origin)
  return pinned.flatMap((key) => {
    if (key.name === origin) return [key]
    const own = parseOrigin(key.name)
    const same = log !== undefined && own !== undefined && own.domain === log.domain && own.region === log.region
    return same && own.epoch < log.epoch ? [noteVerifier(origin, key.publicKey)] : []
  })
}
