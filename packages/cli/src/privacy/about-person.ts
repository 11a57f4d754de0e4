import { type Everything, RECORDS_KEY_ID, type ReadEntry, type ReadEvent, subjectOfKey, type Wanted } from '@writ/audit'
import { commandMessage, controlMessage } from '@writ/contracts'
import type { Person } from './person.ts'

/** An event about a person, with the entry that holds it. */
export interface AboutPerson {
  readonly entry: ReadEntry
  /** Of a record, what names the person and nothing about others. */
  readonly read: ReadEvent
}

type Progress = (entries: number, of: number) => void

/**
 * Everything that logs hold about a person, in their order: events of their intents, approvals that they gave, records and control messages that name
 * them, erasures. Documents open with the keys that the logs were opened with. What is kept grows with the person's intents alone.
 */
export async function* aboutPerson(
  everything: Everything,
  person: Person,
  onProgress: Progress,
): AsyncGenerator<AboutPerson> {
  const intents = await intentsOf(everything, person, onProgress)
  const mentions = mentionsOf(person)
  const wanted: Wanted = (entry, seen) =>
    mentions(entry, seen) ||
    seen?.events.some(
      ({ type, intent_digest = '' }) =>
        intents.has(intent_digest) || type === 'record.filed' || type === 'control.applied',
    ) === true
  for await (const entry of everything.entries(wanted, onProgress))
    for (const read of entry.events) {
      const about = isAbout(read, person, intents) ? read : naming(read, person)
      if (about !== undefined) yield { entry, read: about }
    }
}

/** Digests of the person's intents, by what is verified: other sources' events name the intent and not the person. */
async function intentsOf(everything: Everything, person: Person, onProgress: Progress): Promise<ReadonlySet<string>> {
  const digests = new Set<string>()
  for await (const { doubts, events } of everything.entries(mentionsOf(person), onProgress)) {
    if (doubts.length > 0) continue
    for (const { event } of events)
      if (event.user === person.pseudonym && event.intent_digest !== undefined) digests.add(event.intent_digest)
  }
  return digests
}

/** Whether an entry has the pseudonym anywhere, in the clear or as a key's name. */
function mentionsOf({ pseudonym }: Person): Wanted {
  const characters = pseudonym.slice(2)
  return (entry, seen) => {
    const payload = Buffer.from(entry).toString('latin1').split('.', 2)[1] ?? ''
    return (
      Buffer.from(payload, 'base64url').includes(characters) ||
      seen?.events.some(({ documents }) => documents.some(({ jwe }) => kidIn(jwe).includes(characters))) === true
    )
  }
}

function kidIn(jwe: string | undefined): string {
  return jwe === undefined ? '' : Buffer.from(jwe.split('.', 1)[0] ?? '', 'base64url').toString()
}

function isAbout({ event }: ReadEvent, { pseudonym, subject }: Person, intents: ReadonlySet<string>): boolean {
  return (
    event.user === pseudonym ||
    event.approved_by?.includes(pseudonym) === true ||
    (event.intent_digest !== undefined && intents.has(event.intent_digest)) ||
    (event.detail?.['kind'] === 'subject' && event.detail['id'] === subject)
  )
}

/** A record or a revoke that names the user. An agent's record names others too: of it only that is told. */
function naming(read: ReadEvent, { user }: Person): ReadEvent | undefined {
  if (user === undefined) return undefined
  const { event, documents } = read
  for (const { typ, claims } of documents) {
    if (typ === controlMessage.typ && claims?.['scope'] === 'user' && claims['id'] === user) return read
    if (typ !== commandMessage.typ) continue
    const { users, user: one } = Object(claims?.['record']) as { readonly users?: unknown; readonly user?: unknown }
    if (one === user) return read
    if (Array.isArray(users) && users.includes(user))
      return { event, documents: documents.map(({ claims: _, ...document }) => document) }
  }
  return undefined
}

/** The keys that open what is about a person: their own of every quarter, and that of records and control messages. Others’ stay closed. */
export function keysFor(person: Person, keys: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map([...keys].filter(([kid]) => kid === RECORDS_KEY_ID || subjectOfKey(kid) === person.subject))
}
