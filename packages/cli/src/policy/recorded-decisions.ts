import { readEnrolment } from '@writ/agent-sdk'
import { directoryReader, epochsHere, findEntries, openDocument, parseVkey, readSubjectKeysFile } from '@writ/audit'
import { type Decision, decisionMessage, type EventDocument, Fault, isFault } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { connectStore, readSubjectKeys } from '@writ/plane'
import { type Rebuilt, rebuildInput } from '@writ/policy/review'
import { withAdvice } from '../advice.ts'
import { type Context, planeOf } from '../context.ts'

/** Where decisions and the documents that they name are read from. */
export interface RecordedOptions {
  /** The store's folder or a copy of it; the local plane's when absent. */
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

/**
 * The newest decisions in the log, oldest first, each with its input made again from the documents that it names. Nothing of the
 * log is verified here: `writ audit verify` does that. Memory grows with the decisions asked for, not with the log; the log is read
 * twice. Throws Fault `unavailable` where the log or the keys of its documents cannot be read.
 */
export async function recordedDecisions(
  context: Context,
  options: RecordedOptions,
): Promise<readonly RecordedDecision[]> {
  const place = await placeOf(context, options)
  const keys = await subjectKeys(context, options)
  const logs = await logsIn(place)
  const events = () => eventsIn(place, logs)
  const decisions = new Map<string, Decision>()
  for await (const { typ, digest, jws } of events()) {
    if (typ !== decisionMessage.typ || jws === undefined || decisions.has(digest)) continue
    const claims = decisionIn(jws)
    if (claims === undefined) continue
    decisions.set(digest, claims)
    if (decisions.size > options.limit) decisions.delete(decisions.keys().next().value as string)
  }
  const wanted = new Set([...decisions.values()].flatMap(namedIn))
  const documents = new Map<string, string>()
  for await (const document of events()) {
    if (!wanted.has(document.digest) || documents.has(document.digest)) continue
    const text = await opened(document, keys)
    if (text !== undefined) documents.set(document.digest, text)
  }
  return [...decisions].map(([digest, claims]) => ({
    digest,
    claims,
    rebuilt: rebuildInput(claims, (name) => documents.get(name), place.region),
  }))
}

interface Place {
  readonly dir: string
  /** Names of the logs' keys: a log's name, or what its epochs have in common. */
  readonly names: readonly string[]
  readonly region: string
}

async function placeOf({ local, enrolment }: Context, { store }: RecordedOptions): Promise<Place> {
  const dir = store ?? local?.store_dir
  if (dir === undefined) {
    const fault = new Fault('unavailable', { message: 'This context does not know where the log of its plane lies.' })
    throw withAdvice(fault, 'Name a copy of it with --store DIR, and keys of its documents with --subject-keys FILE.')
  }
  const { region, trust } = await readEnrolment(enrolment)
  const names = trust.log_vkeys.map((vkey) => parseVkey(vkey).name)
  return { dir, names: [...new Set(local === undefined ? names : [...names, local.log_origin])], region }
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
async function logsIn({ dir, names }: Place): Promise<readonly string[]> {
  const reader = directoryReader(dir)
  const logs = new Set((await Promise.all(names.map((name) => epochsHere(reader, name)))).flat())
  if (logs.size > 0) return [...logs].toSorted()
  const fault = new Fault('unavailable', { message: `No log of this plane lies in ${dir}.` })
  throw withAdvice(
    fault,
    'Name the store or a copy of it with --store DIR; `writ policy publish --no-replay` does without.',
  )
}

/** Documents of every event. */
async function* eventsIn({ dir }: Place, logs: readonly string[]): AsyncGenerator<EventDocument> {
  const reader = directoryReader(dir)
  for (const log of logs)
    for await (const { events } of findEntries(reader, log, ({ documents }) => (documents?.length ?? 0) > 0))
      for (const { documents = [] } of events) yield* documents
}

function decisionIn(jws: string): Decision | undefined {
  try {
    return openMessage(decisionMessage, jws).claims
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
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
