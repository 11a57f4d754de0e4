import { fromBase64url, parseIJson } from '@writ/keys'
import type { LiveEntry } from './intent-index.ts'
import { peopleOf } from './touched.ts'

/** How many intents are not settled that are on behalf of a person, or that they have approved. */
export function unsettledOf(entries: Iterable<LiveEntry>, isPerson: (user: string) => boolean): number {
  let count = 0
  for (const { record } of entries) if (peopleOf(record).some(isPerson)) count += 1
  return count
}

/**
 * Whether a message that was kept for people to look at says on whose behalf it is, and that is another person. Of an outcome nobody can tell, nor of
 * what is no message.
 */
export function isAboutAnother(body: Uint8Array, isPerson: (user: string) => boolean): boolean {
  try {
    const payload = Buffer.from(body).toString('latin1').split('.')[1] ?? ''
    const { on_behalf_of: user } = parseIJson(fromBase64url(payload))
    return typeof user === 'string' && !isPerson(user)
  } catch {
    return false
  }
}
