import { Fault } from '@writ/contracts'
import { compactSubjectKeys, connectStore, type Plane } from '@writ/plane'
import { readRecords } from '../identities/kinds.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { fileRecord } from '../operator/file-record.ts'
import type { Person } from './person.ts'

export interface Erased {
  readonly subject: string
  /** How often this person was erased by now. */
  readonly version: number
  /** The bus's files have forgotten the keys too. False where the plane's folder is not at hand. */
  readonly compacted: boolean
  /** Records in force that name the user, as `<kind> <id>`; empty too where only the subject is known. */
  readonly namedBy: readonly string[]
}

/** Intents that are about to settle do so within this. */
const PATIENCE_MS = 60_000

/**
 * Orders the erasure of a person, signed by this operator and another, and waits until their keys are destroyed; then makes the files of the bus
 * forget them, where the plane is at hand. Done again it does the same again. Throws the Fault of the refusal: `constraint_failed` under legal
 * hold, `unavailable` while something of the person is under way, `approval_required` where another operator’s word is missing.
 */
export async function erasePerson(
  session: CosignedSession,
  plane: Plane | undefined,
  { user, subject }: Person,
  reason: string,
): Promise<Erased> {
  if (user !== undefined && reason.includes(user))
    throw new Fault('malformed', { message: 'The reason is kept for ever: it must not name the person.' })
  await readRecords(session)
  const version = session.authority.trust.version('subject', subject) + 1
  const record = { erased: true } as const
  await fileRecord(session, { kind: 'subject', id: subject, record, reason, version, patienceMs: PATIENCE_MS })
  if (plane !== undefined) {
    const store = await connectStore(plane)
    try {
      await compactSubjectKeys(store)
    } finally {
      await store.close()
    }
  }
  return {
    subject,
    version,
    compacted: plane !== undefined,
    namedBy: user === undefined ? [] : namedBy(session, user),
  }
}

function namedBy({ authority: { trust } }: CosignedSession, user: string): readonly string[] {
  const agents = trust.ids('agent').filter((id) => trust.record('agent', id)?.record.users.includes(user) === true)
  const people = (['approver', 'operator'] as const).flatMap((kind) =>
    trust.ids(kind).flatMap((id) => (trust.record(kind, id)?.record.user === user ? [`${kind} ${id}`] : [])),
  )
  return [...agents.map((id) => `agent ${id}`), ...people]
}
