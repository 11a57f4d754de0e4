import { controlMessage, intentMessage, isFault, type JsonObject, type Message } from '@writ/contracts'
import { parseJws } from '@writ/keys'
import { leafHash, sameHash } from '../core/merkle.ts'
import { isOpenTo, openDocument } from '../documents/sealed-document.ts'
import type { SubjectKeyOf } from '../verify/check-document.ts'
import { GrowingTree } from '../verify/growing-tree.ts'
import type { Pins } from '../verify/key-ring.ts'
import { type EpochGap, gapsBetween } from './epoch-gaps.ts'
import { type GlimpsedEvent, glance } from './glance.ts'
import type { AroundIntents, IntentStory } from './intent-story.ts'
import { KeysInLog, type Place } from './keys-in-log.ts'
import { type ReadEntry, type ReadEvent, readEntry } from './read-entry.ts'
import type { SignedLog } from './signed-log.ts'

/** What is looked for: all that is given must hold. An intent is found as a whole where any of its events fits. */
export interface Search {
  /** Its id or its digest. */
  readonly intent?: string
  readonly agent?: string
  readonly device?: string
  /** A token’s id. */
  readonly token?: string
  /** Milliseconds since 1970, inclusive; by the clocks of those who recorded. */
  readonly fromMs?: number
  /** Exclusive. */
  readonly toMs?: number
}

/** Where something was found; reading it verifies it. That it fits may be a stranger's word alone: `isAbout` asks what is believed. */
export interface FoundIntent {
  readonly digest: string
  /** All entries with an event about it, in the order of the log. */
  read(): Promise<readonly ReadEntry[]>
}

export interface FoundEvents {
  readonly entry: ReadEntry
  /** None where the entry is no audit message. */
  readonly events: readonly ReadEvent[]
}

export interface Found {
  /** In the order in which the log first has them. */
  readonly intents: readonly FoundIntent[]
  /** Events that fit and are about no intent, in the order of the log: entries, and which of their events. */
  readonly others: { readonly count: number; read(): AsyncIterable<FoundEvents> }
  /** Entries of the logs that could not be read: what they say was not found. */
  readonly missing: number
  /** Sealed documents in the logs that no given key opens: what they alone say was not found. */
  readonly sealed: number
  /** Origins of the logs that were read, oldest first. */
  readonly epochs: readonly string[]
  /** Where the history that was read has a hole. */
  readonly gaps: readonly EpochGap[]
  /**
   * Every entry of every log was read, and together they have the signed roots; and the logs go on from one another, the first from none:
   * nothing that was ever recorded about it, up to the newest, was passed over. False where entries are missing or were altered, or a log is.
   */
  readonly whole: boolean
  /** What the stories of the intents rest on beside their own entries. */
  readonly around: AroundIntents
}

interface Context {
  readonly region: string
  readonly pins: Pins
  readonly keyOf: SubjectKeyOf
}

/** What is noted of an intent while the logs are read through. There may be as many as somebody cares to invent. */
interface Noted {
  readonly places: Place[]
  /** What of the search some event of it fits. */
  fits: number
}
const [ID, AGENT, DEVICE, WINDOW, TOKEN] = [1, 2, 4, 8, 16] as const
/** What every digest of an intent looks like. */
const DIGEST = /^[A-Za-z0-9_-]{43}$/

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
  const others: Alone[] = []
  const withdrawn = new Withdrawn(search, context.keyOf)
  const sealed = new SealedCount(context.keyOf)
  const of = logs.reduce((sum, { size }) => sum + size, 0)
  let [count, whole] = [0, true]
  for (const [log, signed] of logs.entries()) {
    const tree = new GrowingTree()
    for await (const { index, entry } of signed.entries(0)) {
      const place = { log, index }
      const seen = glance(entry)
      await keys.learn(place, entry, seen)
      const slots: number[] = []
      for (const [slot, event] of (seen?.events ?? []).entries()) {
        sealed.add(event)
        const { intent_digest: digest } = event
        if (digest !== undefined && DIGEST.test(digest)) await note(notes, digest, place, event, search, context)
        else if (fitsAlone(event, search) || (await withdrawn.isNamedBy(event))) slots.push(slot)
      }
      if (slots.length > 0) others.push({ ...place, slots })
      tree.push(leafHash(entry), () => undefined)
      count += 1
      if (count % 1024 === 0) onProgress?.(count, of)
    }
    whole &&= tree.size === signed.size && sameHash(tree.root(), signed.root)
  }
  await keys.settle()
  const read = latest(
    async ({ log, index }: Place): Promise<ReadEntry> =>
      await readEntry({ ...context, keys }, logs[log] as SignedLog, index),
  )
  const wanted = wantedBy(search)
  const fitting = [...notes].filter(([, { fits }]) => (fits & wanted) === wanted)
  const gaps = await gapsBetween(logs, read)
  return {
    intents: fitting.map(([digest, { places }]) => ({ digest, read: () => each(unique(places), read) })),
    others: { count: others.length, read: () => eachAlone(others, read) },
    missing: of - count,
    sealed: sealed.count,
    epochs: logs.map(({ origin }) => origin),
    gaps,
    whole: whole && gaps.length === 0,
    around: { kindOf: (digest) => keys.kindOf(digest), untilSeconds: await spokenUntil(logs, read) },
  }
}

interface Alone extends Place {
  /** Which of the entry's events. */
  readonly slots: readonly number[]
}

async function* eachAlone(
  others: readonly Alone[],
  read: (place: Place) => Promise<ReadEntry>,
): AsyncGenerator<FoundEvents> {
  for (const { slots, ...place } of others) {
    const entry = await read(place)
    yield { entry, events: entry.events.filter((_, slot) => slots.includes(slot)) }
  }
}

/** Control messages that name what is looked for, and those that lift them: only who can open them knows. */
class Withdrawn {
  readonly #search: Search
  readonly #keyOf: SubjectKeyOf
  readonly #revokes = new Set<number>()

  constructor(search: Search, keyOf: SubjectKeyOf) {
    this.#search = search
    this.#keyOf = keyOf
  }

  async isNamedBy(event: GlimpsedEvent): Promise<boolean> {
    const { intent, agent, device, token } = this.#search
    const given = [agent, device, token].filter((one) => one !== undefined)
    const [named] = given
    const asked = named !== undefined && intent === undefined && given.length === 1
    if (!asked || event.type !== 'control.applied' || !isWithin(event, this.#search)) return false
    const { command, scope, id, lifts } = await sealedClaims(event, controlMessage, this.#keyOf)
    const kind = agent !== undefined ? 'agent' : device !== undefined ? 'device' : 'token'
    const revokes = command === 'revoke' && (scope === 'all' || (scope === kind && id === named))
    const seq = event.detail['seq']
    if (revokes && typeof seq === 'number') this.#revokes.add(seq)
    return revokes || (command === 'lift' && typeof lifts === 'number' && this.#revokes.has(lifts))
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
  const noted = notes.get(digest) ?? { places: [], fits: 0 }
  notes.set(digest, noted)
  noted.places.push(place)
  const { intent, agent, device, token } = search
  if (intent !== undefined && (event.intent_id === intent || digest === intent)) noted.fits |= ID
  if (agent !== undefined && event.agent_id === agent) noted.fits |= AGENT
  if (token !== undefined && event.token_id === token) noted.fits |= TOKEN
  if (device !== undefined && event.device_id === device) noted.fits |= DEVICE
  if (isWithin(event, search)) noted.fits |= WINDOW
  // Which devices an intent names that came to nothing, the intent alone says.
  if (device === undefined || (noted.fits & DEVICE) !== 0) return
  const { targets } = await sealedClaims(event, intentMessage, keyOf)
  if (Array.isArray(targets) && targets.includes(device)) noted.fits |= DEVICE
}

function wantedBy({ intent, agent, device, token }: Search): number {
  const bit = (given: string | undefined, of: number): number => (given === undefined ? 0 : of)
  return WINDOW | bit(intent, ID) | bit(agent, AGENT) | bit(device, DEVICE) | bit(token, TOKEN)
}

/** Whether an intent fits by what is believed of it. Anybody who may send to the log can name an agent or an intent in what nobody believes. */
export function isAbout({ digest, agent_id, intent, events }: IntentStory, search: Search): boolean {
  const believed = events.filter(({ entry }) => entry.doubts.length === 0).map(({ read }) => read.event)
  const { intent: name, agent, device, token } = search
  return (
    believed.some((event) => isWithin(event, search)) &&
    (name === undefined || name === digest || believed.some((event) => event.intent_id === name)) &&
    (agent === undefined || agent_id === agent) &&
    (token === undefined || believed.some((event) => event.token_id === token)) &&
    (device === undefined ||
      intent?.targets.includes(device) === true ||
      believed.some((event) => event.device_id === device))
  )
}

/** Counts documents that no key opens. */
class SealedCount {
  readonly #keyOf: SubjectKeyOf
  /** By header, which is the same for all documents under a key. */
  readonly #known = new Map<string, boolean>()
  count = 0

  constructor(keyOf: SubjectKeyOf) {
    this.#keyOf = keyOf
  }

  add({ documents }: GlimpsedEvent): void {
    for (const { jwe } of documents) if (jwe !== undefined && !this.#opens(jwe)) this.count += 1
  }

  #opens(jwe: string): boolean {
    const header = jwe.slice(0, jwe.indexOf('.'))
    const known = this.#known.get(header) ?? isOpenTo(jwe, this.#keyOf)
    if (this.#known.size < HEADERS_KEPT) this.#known.set(header, known)
    return known
  }
}

const HEADERS_KEPT = 10_000

/** What an event's sealed document of a type says, where a key opens it: for finding only, nothing of it is verified. */
async function sealedClaims(
  { documents }: GlimpsedEvent,
  { typ, bytesMax }: Pick<Message, 'typ' | 'bytesMax'>,
  keyOf: SubjectKeyOf,
): Promise<JsonObject> {
  const found = documents.find((document) => document.typ === typ)
  if (found?.jwe === undefined || found.digest === undefined) return {}
  try {
    const opened = await openDocument({ typ, digest: found.digest, jwe: found.jwe }, keyOf)
    return opened.state === 'sealed' ? {} : parseJws(opened.jws, bytesMax).payload
  } catch (error) {
    // What is wrong with it is said when it is read.
    if (isFault(error)) return {}
    throw error
  }
}

/** Records of an agent or device, and what else names it; in a window everything. */
function fitsAlone(event: GlimpsedEvent, search: Search): boolean {
  const { intent, agent, device, token } = search
  if (intent !== undefined || token !== undefined || !isWithin(event, search)) return false
  const names = (kind: string, id: string | undefined, own: string | undefined): boolean =>
    id === undefined || own === id || (event.detail['kind'] === kind && event.detail['id'] === id)
  return names('agent', agent, event.agent_id) && names('device', device, event.device_id)
}

function isWithin({ timestamp }: Pick<GlimpsedEvent, 'timestamp'>, { fromMs, toMs }: Search): boolean {
  if (fromMs === undefined && toMs === undefined) return true
  const at = Date.parse(timestamp ?? '')
  return at >= (fromMs ?? Number.NEGATIVE_INFINITY) && at < (toMs ?? Number.POSITIVE_INFINITY)
}

/** Entries at the end of a log that are asked how late it is. */
const LATEST = 4096

/** The time of the last message of a service that is verified; gateways' clocks are their own. 0 where there is none. */
async function spokenUntil(logs: readonly SignedLog[], read: (place: Place) => Promise<ReadEntry>): Promise<number> {
  const log = logs.length - 1
  const size = logs[log]?.size ?? 0
  for (let index = size - 1; index >= Math.max(0, size - LATEST); index--) {
    const { message, doubts } = await read({ log, index })
    if (doubts.length === 0 && message !== undefined && !message.source.startsWith('gateway/')) return message.iat
  }
  return 0
}

/** Keeps the entries that were read last: one entry may name many intents. */
function latest(read: (place: Place) => Promise<ReadEntry>): (place: Place) => Promise<ReadEntry> {
  const kept = new Map<string, Promise<ReadEntry>>()
  return (place) => {
    const name = `${place.log} ${place.index}`
    const reading = kept.get(name) ?? read(place)
    kept.delete(name)
    kept.set(name, reading)
    if (kept.size > ENTRIES_KEPT) kept.delete(kept.keys().next().value ?? '')
    return reading
  }
}

const ENTRIES_KEPT = 16

/** Several events of one entry are one place. */
function unique(places: readonly Place[]): readonly Place[] {
  return places.filter(({ log, index }, at) => log !== places[at - 1]?.log || index !== places[at - 1]?.index)
}

async function each<A, B>(list: readonly A[], map: (one: A) => Promise<B>): Promise<B[]> {
  const made: B[] = []
  for (const one of list) made.push(await map(one))
  return made
}
