import { type AuditEvent, type EventDocument, isFault, type JsonObject } from '@writ/contracts'
import { verifyJws } from '@writ/keys'
import { checkDocument, type SubjectKeyOf } from '../verify/check-document.ts'
import type { FoundKey } from '../verify/key-ring.ts'
import { misfit } from '../verify/misfit.ts'
import { type OpenedEntry, openEntry } from '../verify/open-entry.ts'
import { documentWasRevoked, messageWasRevoked, needsAuthority } from '../verify/revoked-before.ts'
import { mayHaveSaid } from '../verify/roles.ts'
import type { Verdict } from '../verify/verdicts.ts'
import type { KeysInLog } from './keys-in-log.ts'
import type { SignedLog } from './signed-log.ts'

/** A document of an event. */
export interface ReadDocument {
  readonly typ: string
  readonly digest: string
  /** `open`: its digest is the event's, its signature verified, it is about what the event says. `sealed`: no key was given for it. */
  readonly state: 'open' | 'sealed' | 'bad'
  /** Of an open one. */
  readonly claims?: JsonObject
  /** What is wrong with a bad one. */
  readonly why?: string
}

export interface ReadEvent {
  /** Without its documents. */
  readonly event: Omit<AuditEvent, 'documents'>
  readonly documents: readonly ReadDocument[]
}

/** What makes an entry, or what it says, not to be believed. */
export interface Doubt {
  readonly verdict: Verdict
  readonly message: string
}

/**
 * An entry of the log. Where `doubts` is empty, it is verified: it stands under the newest signed checkpoint, a key that was valid for its source
 * has signed it, its events are its source's to say, and its documents are the ones that they name.
 */
export interface ReadEntry {
  readonly origin: string
  /** Leaf index. */
  readonly index: number
  /** As it lies in the log; absent where it is missing. */
  readonly entry?: Uint8Array
  /** C2SP tlog-proof, verified; absent where it could not be. */
  readonly proof?: string
  /** Absent where it is no audit message. */
  readonly message?: {
    /** `<role>/<instance>/<boot>`. */
    readonly source: string
    readonly seq: number
    readonly prev?: string
    /** NumericDate, by its source's clock. */
    readonly iat: number
    readonly kid: string
    readonly digest: string
  }
  readonly events: readonly ReadEvent[]
  readonly doubts: readonly Doubt[]
}

export interface ReadContext {
  readonly region: string
  readonly keys: KeysInLog
  readonly keyOf: SubjectKeyOf
}

/** Reads an entry and verifies it by itself: whether others are missing is not asked. Throws Fault `unavailable` where files cannot be read. */
export async function readEntry(context: ReadContext, log: SignedLog, index: number): Promise<ReadEntry> {
  const proven = await log.prove(index)
  const doubts: Doubt[] = []
  if (proven.state === 'not proven') doubts.push({ verdict: proven.verdict, message: proven.message })
  const { entry } = proven
  const place = {
    origin: log.origin,
    index,
    ...(entry !== undefined && { entry }),
    ...(proven.state === 'proven' && { proof: proven.proof }),
  }
  const opened = entry === undefined ? undefined : openEntry(entry, context.region)
  if (opened === undefined) {
    if (entry !== undefined)
      doubts.push({ verdict: 'message_malformed', message: `Entry ${index} is no audit message of the contract.` })
    return { ...place, events: [], doubts }
  }
  const unsigned = (await doubtOfSignature(context, opened)) ?? doubtOfAuthority(context, opened)
  if (unsigned !== undefined) doubts.push(unsigned)
  const events: ReadEvent[] = []
  for (const event of opened.claims.events) events.push(await readEvent(context, opened, event, doubts))
  const { source, seq, prev, iat } = opened.claims
  const { kid, digest } = opened.jws
  const message = { source, seq, ...(prev !== undefined && { prev }), iat, kid, digest }
  return { ...place, message, events, doubts }
}

async function doubtOfSignature({ keys }: ReadContext, opened: OpenedEntry): Promise<Doubt | undefined> {
  const { source } = opened.claims
  const key = await untilKnown(keys, async () => keys.keyOf(opened))
  if (key.state === 'good')
    return holds(opened, key)
      ? undefined
      : { verdict: 'signature_invalid', message: `The signature of ${source} does not verify.` }
  if (key.state === 'expired')
    return { verdict: 'key_expired', message: `Signed with a key of ${source} that was not valid at that time.` }
  const whose = key.state === 'wrong' ? `was endorsed for another than ${source}` : `nobody endorsed for ${source}`
  return { verdict: 'key_not_endorsed', message: `Signed with a key that ${whose}.` }
}

/** Under a revoked key only what needs no authority is believed. */
function doubtOfAuthority({ keys }: ReadContext, opened: OpenedEntry): Doubt | undefined {
  const said = messageWasRevoked(opened, keys.revoked, keys.ring) ? needsAuthority(opened.claims) : undefined
  if (said === undefined) return undefined
  const message = `${opened.claims.source} said ${said} with a key that an operator had revoked before.`
  return { verdict: 'key_expired', message }
}

async function readEvent(
  context: ReadContext,
  { role, instance, claims: { iat } }: OpenedEntry,
  { documents = [], ...event }: AuditEvent,
  doubts: Doubt[],
): Promise<ReadEvent> {
  if (!mayHaveSaid({ ...event, documents }, role, instance))
    doubts.push({ verdict: 'out_of_role', message: `${event.type} is not for ${role} ${instance} to say.` })
  const read: ReadDocument[] = []
  for (const document of documents) {
    const one = await readDocument(context, event, document, iat)
    if (one.state === 'bad')
      doubts.push({ verdict: 'document_invalid', message: `The ${one.typ} ${one.digest} of ${event.type} ${one.why}.` })
    read.push(one)
  }
  return { event, documents: read }
}

async function readDocument(
  { keys, keyOf }: ReadContext,
  event: AuditEvent,
  document: EventDocument,
  recordedAt: number,
): Promise<ReadDocument> {
  const { typ, digest } = document
  const checked = await untilKnown(keys, () => checkDocument(document, keys.ring, keyOf))
  if (checked.state === 'sealed') return { typ, digest, state: 'sealed' }
  if (checked.state === 'unknown')
    return { typ, digest, state: 'bad', why: 'is signed with a key that the log does not know' }
  const why = checked.state === 'bad' ? checked.why : misfit(event, checked.opened)
  if (why !== undefined || checked.state === 'bad') return { typ, digest, state: 'bad', why: why ?? '' }
  if (documentWasRevoked(checked.opened, event, recordedAt, keys.revoked, keys.ring))
    return { typ, digest, state: 'bad', why: 'is signed with a key that was revoked before' }
  return { typ, digest, state: 'open', claims: checked.opened.claims as JsonObject }
}

/** Asks again while the history may still hold the key. */
async function untilKnown<T extends { readonly state: string }>(keys: KeysInLog, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const found = await ask()
    if (found.state !== 'unknown') return found
    if (!(await keys.extend())) return await ask()
  }
}

function holds({ jws }: OpenedEntry, { jwk }: FoundKey & { readonly state: 'good' }): boolean {
  try {
    verifyJws(jws, jwk)
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}
