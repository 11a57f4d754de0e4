import { intentMessage } from '@writ/contracts'
import { parseJws } from '@writ/keys'
import { openDocument } from '../documents/sealed-document.ts'
import type { SubjectKeyOf } from '../verify/check-document.ts'
import type { Pins } from '../verify/key-ring.ts'
import { type GlimpsedEvent, glance } from './glance.ts'
import { KeysInLog, type Place } from './keys-in-log.ts'
import { type ReadEntry, readEntry } from './read-entry.ts'
import type { SignedLog } from './signed-log.ts'

/** What is looked for: all that is given must hold. An intent is found as a whole where any of its events fits. */
export interface Search {
  /** Its id or its digest. */
  readonly intent?: string
  readonly agent?: string
  readonly device?: string
  /** Milliseconds since 1970, inclusive; by the clocks of those who recorded. */
  readonly fromMs?: number
  /** Exclusive. */
  readonly toMs?: number
}

/** Where something was found; reading it verifies it. */
export interface FoundIntent {
  readonly digest: string
  /** All entries with an event about it, in the order of the log. */
  read(): Promise<readonly ReadEntry[]>
}

export interface Found {
  /** In the order in which the log first has them. */
  readonly intents: readonly FoundIntent[]
  /** Entries with events that fit and are about no intent, in the order of the log. */
  readonly others: { readonly count: number; read(): AsyncIterable<ReadEntry> }
  /** Entries of the logs that could not be read: what they say was not found. */
  readonly missing: number
}

interface Context {
  readonly region: string
  readonly pins: Pins
  readonly keyOf: SubjectKeyOf
}

/** What is noted of an intent while the logs are read through. */
interface Noted {
  readonly places: Place[]
  readonly ids: Set<string>
  readonly agents: Set<string>
  readonly devices: Set<string>
  inWindow: boolean
}

/** Reads the logs through once, noting where what is. What has no right to speak of an intent is found too, and says so of itself when it is read. */
export async function findEvidence(
  logs: readonly SignedLog[],
  search: Search,
  context: Context,
  onProgress?: (entries: number, of: number) => void,
): Promise<Found> {
  const end = { log: logs.length - 1, index: logs.at(-1)?.size ?? 0 }
  const keys = new KeysInLog({ ...context, logs }, { log: 0, index: 0 }, end)
  const notes = new Map<string, Noted>()
  const others: Place[] = []
  const of = logs.reduce((sum, { size }) => sum + size, 0)
  let count = 0
  for (const [log, signed] of logs.entries())
    for await (const { index, entry } of signed.entries(0)) {
      const place = { log, index }
      const seen = glance(entry)
      await keys.learn(place, entry, seen)
      for (const event of seen?.events ?? []) {
        if (event.intent_digest !== undefined) await note(notes, event.intent_digest, place, event, search, context)
        else if (fitsAlone(event, search)) others.push(place)
      }
      count += 1
      if (count % 1024 === 0) onProgress?.(count, of)
    }
  await keys.settle()
  const read = async ({ log, index }: Place): Promise<ReadEntry> =>
    await readEntry({ ...context, keys }, logs[log] as SignedLog, index)
  const fitting = [...notes].filter(([digest, noted]) => fits(digest, noted, search))
  const alone = unique(others)
  return {
    intents: fitting.map(([digest, { places }]) => ({ digest, read: () => each(unique(places), read) })),
    others: {
      count: alone.length,
      async *read() {
        for (const place of alone) yield await read(place)
      },
    },
    missing: of - count,
  }
}

async function note(
  notes: Map<string, Noted>,
  digest: string,
  place: Place,
  event: GlimpsedEvent,
  search: Search,
  { keyOf }: Context,
): Promise<void> {
  const noted = notes.get(digest) ?? {
    places: [],
    ids: new Set(),
    agents: new Set(),
    devices: new Set(),
    inWindow: false,
  }
  notes.set(digest, noted)
  noted.places.push(place)
  if (event.intent_id !== undefined) noted.ids.add(event.intent_id)
  if (event.agent_id !== undefined) noted.agents.add(event.agent_id)
  if (event.device_id !== undefined) noted.devices.add(event.device_id)
  noted.inWindow ||= isWithin(event, search)
  // Which devices an intent names that came to nothing, the intent alone says.
  if (search.device !== undefined) for (const device of await targetsOf(event, keyOf)) noted.devices.add(device)
}

async function targetsOf({ documents }: GlimpsedEvent, keyOf: SubjectKeyOf): Promise<readonly string[]> {
  const found = documents.find(({ typ }) => typ === intentMessage.typ)
  if (found?.jwe === undefined || found.digest === undefined) return []
  try {
    const document = { typ: intentMessage.typ, digest: found.digest, jwe: found.jwe }
    const opened = await openDocument(document, keyOf)
    if (opened.state === 'sealed') return []
    const { targets } = parseJws(opened.jws, intentMessage.bytesMax).payload
    return Array.isArray(targets) ? targets.filter((target) => typeof target === 'string') : []
  } catch {
    // What is wrong with it is said when it is read.
    return []
  }
}

function fits(digest: string, { ids, agents, devices, inWindow }: Noted, { intent, agent, device }: Search): boolean {
  return (
    inWindow &&
    (intent === undefined || intent === digest || ids.has(intent)) &&
    (agent === undefined || agents.has(agent)) &&
    (device === undefined || devices.has(device))
  )
}

/** Records of an agent or device, and what else names it; in a window everything. */
function fitsAlone(event: GlimpsedEvent, search: Search): boolean {
  const { intent, agent, device } = search
  if (intent !== undefined || !isWithin(event, search)) return false
  const names = (kind: string, id: string | undefined, own: string | undefined): boolean =>
    id === undefined || own === id || (event.detail['kind'] === kind && event.detail['id'] === id)
  return names('agent', agent, event.agent_id) && names('device', device, event.device_id)
}

function isWithin({ timestamp }: GlimpsedEvent, { fromMs, toMs }: Search): boolean {
  if (fromMs === undefined && toMs === undefined) return true
  const at = Date.parse(timestamp ?? '')
  return at >= (fromMs ?? Number.NEGATIVE_INFINITY) && at < (toMs ?? Number.POSITIVE_INFINITY)
}

/** Several events of one entry are one place. */
function unique(places: readonly Place[]): readonly Place[] {
  return places.filter(({ log, index }, at) => log !== places[at - 1]?.log || index !== places[at - 1]?.index)
}

async function each<A, B>(list: readonly A[], map: (one: A) => Promise<B>): Promise<B[]> {
  const made: B[] = []
  for (const one of list) made.push(await map(one))
  return made
}
