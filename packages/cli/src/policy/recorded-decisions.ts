import { readEnrolment } from '@writ/agent-sdk'
import {
  EvidenceLog,
  epochsHere,
  findEntries,
  type LogReader,
  type NoteVerifier,
  openDocument,
  type Pins,
  parseVkey,
  type ReadEntry,
  readSubjectKeysFile,
} from '@writ/audit'
import { type AuditEvent, type Decision, decisionMessage, type EventDocument, Fault, isFault } from '@writ/contracts'
import { connectStore, readSubjectKeys } from '@writ/plane'
import { type Rebuilt, rebuildInput } from '@writ/policy/review'
import { withAdvice } from '../advice.ts'
import { readerAt } from '../commands/audit-place.ts'
import { type Context, planeOf } from '../context.ts'
import { logVkeysOf } from '../local-file.ts'

/** Where decisions and the documents that they name are read from. */
export interface RecordedOptions {
  /** The store: its folder, a copy of it, or `s3://<bucket>/<prefix>`; the local plane's when absent. */
  readonly store?: string
  /** A file of keys that open sealed documents; the local plane's own keys when absent. */
  readonly subjectKeys?: string
  /** The newest decisions only, this many. */
  readonly limit: number
}

/** A decision of the log with the input that it was made on. */
export interface RecordedDecision {
  readonly digest: string
  readonly claims: Decision
  readonly rebuilt: Rebuilt
}

/** What was found in the log. */
export interface RecordedDecisions {
  /** Oldest first. */
  readonly decisions: readonly RecordedDecision[]
  /** Older entries with other decisions that the limit left out; nobody has verified those. */
  readonly leftOut: number
  /** Entries that tell of decisions and do not verify, or are not for their source to say. Nothing of them is among `decisions`. */
  readonly unverified: number
  /** Entries that are no audit message. */
  readonly unreadable: number
}

/**
 * The newest decisions in the log, each with its input made again from the documents that it names. Only what policy-evaluator has signed and what
 * an entry that verifies tells of it, is one; that no entry is missing is for `writ audit verify` to say. Memory grows with the decisions asked for,
 * not with what entries hold; the log is read twice. Throws Fault `unavailable` where the log or the keys of its documents cannot be read.
 */
export async function recordedDecisions(context: Context, options: RecordedOptions): Promise<RecordedDecisions> {
  const place = await placeOf(context, options)
  const keys = await subjectKeys(context, options)
  const told = await toldIn(place, await logsIn(place))
  const { decisions, unverified, until } = await newestVerified(place, keys, told.places, options.limit)
  const wanted = new Set([...decisions.values()].flatMap(namedIn))
  const documents = new Map<string, string>()
  let leftOut = 0
  for await (const { at, events } of entriesIn(place, told.logs)) {
    const older = until !== undefined && !isBefore(until, at)
    if (older && events.some((event) => decisionsOf(event).some(({ digest }) => !decisions.has(digest)))) leftOut++
    for (const document of events.flatMap((event) => event.documents ?? [])) {
      if (!wanted.has(document.digest) || documents.has(document.digest)) continue
      const text = await opened(document, keys)
      if (text !== undefined) documents.set(document.digest, text)
    }
  }
  const found = [...decisions].map(([digest, claims]) => ({
    digest,
    claims,
    rebuilt: rebuildInput(claims, (name) => documents.get(name), place.region),
  }))
  return { decisions: found.reverse(), leftOut, unverified: told.outOfRole + unverified, unreadable: told.unreadable }
}

interface At {
  readonly log: string
  readonly index: number
}

const isBefore = (a: At, b: At): boolean => a.log < b.log || (a.log === b.log && a.index < b.index)

/** Whose word it is what was decided. */
const DECIDERS: ReadonlySet<string> = new Set(['policy-evaluator', 'intent-gateway'])
const roleIn = (source: string): string => source.split('/')[0] ?? ''

const decisionsOf = ({ type, documents = [] }: AuditEvent): readonly EventDocument[] =>
  type === 'policy.decided' ? documents.filter(({ typ }) => typ === decisionMessage.typ) : []

/** Where the log tells of decisions, oldest first. Nothing is verified yet. */
async function toldIn(place: Place, logs: readonly string[]) {
  const places: At[] = []
  const counts = { outOfRole: 0, unreadable: 0 }
  for await (const { at, source, events } of entriesIn(place, logs, () => counts.unreadable++)) {
    if (!events.some((event) => decisionsOf(event).length > 0)) continue
    if (DECIDERS.has(roleIn(source))) places.push(at)
    else counts.outOfRole++
  }
  return { logs, places, ...counts }
}

/** Reads back from the end until there are as many as are asked for. `until`: the oldest entry that was read. */
async function newestVerified(
  place: Place,
  subjectKeys: ReadonlyMap<string, Uint8Array>,
  places: readonly At[],
  limit: number,
): Promise<{ decisions: ReadonlyMap<string, Decision>; unverified: number; until?: At }> {
  const decisions = new Map<string, Decision>()
  let unverified = 0
  let log: EvidenceLog | undefined
  const { reader, vkeys, pins } = place
  for (const at of places.toReversed()) {
    if (log?.newest.origin !== at.log)
      log = await EvidenceLog.open({ reader, vkeys, pins, origin: at.log, subjectKeys })
    const entry = await log.entry(at.index)
    if (!isVerified(entry)) unverified++
    else
      for (const [digest, claims] of verifiedIn(entry).toReversed())
        if (decisions.size < limit) decisions.set(digest, claims)
    if (decisions.size >= limit) return { decisions, unverified, until: at }
  }
  return { decisions, unverified }
}

const isVerified = ({ doubts, message }: ReadEntry): boolean =>
  doubts.length === 0 && message !== undefined && DECIDERS.has(roleIn(message.source))

/** Decisions whose own signatures were verified with their entry. */
function verifiedIn({ events }: ReadEntry): readonly (readonly [string, Decision])[] {
  return events
    .filter(({ event }) => event.type === 'policy.decided')
    .flatMap(({ documents }) => documents)
    .flatMap(({ typ, digest, claims }) =>
      typ === decisionMessage.typ && claims !== undefined ? [[digest, claims as Decision] as const] : [],
    )
}

interface Place {
  readonly reader: LogReader
  /** Names of the logs' keys: a log's name, or what its epochs have in common. */
  readonly names: readonly string[]
  readonly vkeys: readonly NoteVerifier[]
  readonly pins: Pins
  readonly region: string
}

async function placeOf({ local, enrolment }: Context, { store }: RecordedOptions): Promise<Place> {
  const place = store ?? local?.store
  if (place === undefined) {
    const fault = new Fault('unavailable', { message: 'This context does not know where the log of its plane lies.' })
    throw withAdvice(fault, 'Name a copy of it with --store DIR, and keys of its documents with --subject-keys FILE.')
  }
  const { region, trust } = await readEnrolment(enrolment)
  const { log_vkeys, ...pins } = trust
  const vkeys = [...new Set([...log_vkeys, ...(local === undefined ? [] : logVkeysOf(local))])].map(parseVkey)
  const names = [...vkeys.map(({ name }) => name), ...(local === undefined ? [] : [local.log_origin])]
  return { reader: await readerAt(place), names: [...new Set(names)], vkeys, pins, region }
}

async function subjectKeys(
  context: Context,
  { subjectKeys: file }: RecordedOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (file !== undefined) return readSubjectKeysFile(file)
  const plane = await planeOf(context)
  const store = await connectStore(plane)
  try {
    return new Map((await readSubjectKeys(plane, store)).map(({ kid, key }) => [kid, key]))
  } finally {
    await store.close()
  }
}

/** Every epoch of the log. Throws Fault `unavailable` where none lies there: an empty answer would read as “nothing changes”. */
async function logsIn({ reader, names }: Place): Promise<readonly string[]> {
  const logs = new Set((await Promise.all(names.map((name) => epochsHere(reader, name)))).flat())
  if (logs.size > 0) return [...logs].toSorted()
  const fault = new Fault('unavailable', { message: `No log of this plane lies in ${reader.name}.` })
  throw withAdvice(
    fault,
    'Name the store or a copy of it with --store DIR; `writ policy publish --no-replay` does without.',
  )
}

/** Entries with events that bring documents, in the order of the logs. */
async function* entriesIn(
  { reader }: Place,
  logs: readonly string[],
  onUnreadable?: () => void,
): AsyncGenerator<{ readonly at: At; readonly source: string; readonly events: readonly AuditEvent[] }> {
  const fits = ({ documents = [] }: AuditEvent) => documents.length > 0
  for (const log of logs)
    for await (const { index, source, events } of findEntries(reader, log, fits, onUnreadable))
      yield { at: { log, index }, source, events }
}

function namedIn({ intent_digest, records, approvals, attestations, reports }: Decision): readonly string[] {
  return [intent_digest, ...records, ...approvals, ...attestations, ...reports]
}

/** Undefined: no key opens it, or it is not what its event says. */
async function opened(document: EventDocument, keys: ReadonlyMap<string, Uint8Array>): Promise<string | undefined> {
  try {
    const found = await openDocument(document, (kid) => keys.get(kid))
    return found.state === 'open' ? found.jws : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
