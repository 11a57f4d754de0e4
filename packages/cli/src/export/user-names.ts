import type { Everything, ReadEntry } from '@writ/audit'
import { intentMessage } from '@writ/contracts'
import type { NameOf } from './event-row.ts'

/**
 * Who the pseudonyms of a log stand for, as far as given keys open the intents that say on whose behalf they are. Only what is verified is
 * believed. Grows with people, not with events.
 */
export async function namesIn(
  everything: Everything,
  onProgress: (entries: number, of: number) => void,
): Promise<NameOf> {
  const names = new Map<string, string>()
  const wanted: Parameters<Everything['entries']>[0] = (_, seen) =>
    seen?.events.some(({ documents }) => documents.some(({ typ }) => typ === intentMessage.typ)) === true
  for await (const entry of everything.entries(wanted, onProgress))
    if (entry.doubts.length === 0) for (const [pseudonym, user] of saidBy(entry)) names.set(pseudonym, user)
  return (pseudonym) => names.get(pseudonym) ?? pseudonym
}

function* saidBy({ events }: ReadEntry): Generator<readonly [pseudonym: string, user: string]> {
  for (const { event, documents } of events)
    for (const { typ, claims } of documents) {
      const user = typ === intentMessage.typ ? claims?.['on_behalf_of'] : undefined
      if (event.user !== undefined && typeof user === 'string') yield [event.user, user]
    }
}
