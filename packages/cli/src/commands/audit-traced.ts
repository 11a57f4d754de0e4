import {
  type EpochGap,
  type EvidenceLog,
  type Found,
  type FoundEvents,
  type IntentStory,
  intentStory,
  isAbout,
  type ReadEntry,
  type Search,
} from '@writ/audit'
import type { Invocation } from '../invocation.ts'
import type { DecidedAgain } from '../policy/decide-again.ts'
import { type AgainOptions, decideStoriesAgain } from './audit-again.ts'
import { progressOf } from './audit-progress.ts'

export interface SearchOptions extends AgainOptions {
  readonly intent?: string
  readonly agent?: string
  readonly device?: string
  readonly token?: string
  readonly from?: number
  readonly to?: number
  readonly limit: number
}

/**
 * What the log holds about something, told and verified. Anybody who may send to the log can have sent what is not verified, as much of it as
 * they like: it takes no place from what is.
 */
export interface Traced {
  /** In the order of the log; of more than the limit the last. */
  readonly stories: readonly IntentStory[]
  /** Events about no intent; likewise, and where that leaves room what is not verified. */
  readonly others: readonly FoundEvents[]
  /** Not looked at. */
  readonly intentsLeftOut: number
  readonly othersLeftOut: number
  /** What is not shown because only entries that are not verified say that it fits: how many, and the leaves of the last. */
  readonly doubtful: {
    readonly intents: number
    readonly others: number
    readonly leaves: readonly number[]
  }
  /** Entries of the log that could not be read. */
  readonly missing: number
  /** Origins of the logs that were read, oldest first. */
  readonly epochs: readonly string[]
  /** Logs that do not go on from the one before: an earlier one may be missing. */
  readonly gaps: readonly EpochGap[]
  /** Sealed documents that no key opened. */
  readonly sealed: number
  /** Nothing that was ever recorded about it was passed over. */
  readonly whole: boolean
  /** What came of deciding the decisions of the stories again, by their digests. */
  readonly again: ReadonlyMap<string, DecidedAgain>
}

/** Whether everything that was found is verified, shown or not. */
export function isVerified({ stories, others, doubtful }: Traced): boolean {
  const all = stories.every((story) => story.verified) && others.every(({ entry }) => entry.doubts.length === 0)
  return all && doubtful.intents + doubtful.others === 0
}

export function searchOf({ intent, agent, device, token, from, to }: SearchOptions): Search {
  return {
    ...(intent !== undefined && { intent }),
    ...(agent !== undefined && { agent }),
    ...(device !== undefined && { device }),
    ...(token !== undefined && { token }),
    ...(from !== undefined && { fromMs: from }),
    ...(to !== undefined && { toMs: to }),
  }
}

/** Finds, verifies and decides again. Heartbeats are left out: they say only that somebody was there. */
export async function trace(invocation: Invocation, log: EvidenceLog, options: SearchOptions): Promise<Traced> {
  const { out } = invocation
  const { limit } = options
  const search = searchOf(options)
  const found = await log.find(search, progressOf(out, 'reading'))
  out.progress()
  const { shown, doubtful, looked } = await storiesOf(found, search, limit)
  const others = await othersOf(found, limit)
  return {
    stories: shown,
    others: others.shown,
    intentsLeftOut: found.intents.length - looked,
    othersLeftOut: others.leftOut,
    doubtful: {
      intents: doubtful.count,
      others: others.doubtful.count,
      leaves: [...new Set([...doubtful.leaves, ...others.doubtful.leaves])].slice(-LEAVES_MAX),
    },
    missing: found.missing,
    epochs: found.epochs,
    gaps: found.gaps,
    sealed: found.sealed,
    whole: found.whole,
    again: await decideStoriesAgain(invocation, log, shown, options),
  }
}

const LEAVES_MAX = 20

/** Counts what is not shown, and keeps where the last of it lies. */
class Doubtful {
  count = 0
  leaves: number[] = []
  add(leaves: readonly number[]): void {
    this.count += 1
    this.leaves = [...leaves, ...this.leaves].slice(0, LEAVES_MAX)
  }
}

/** The last that are about it by what is verified. One that is asked for by name and that nothing verified knows is shown, too. */
async function storiesOf(
  found: Found,
  search: Search,
  limit: number,
): Promise<{ readonly shown: readonly IntentStory[]; readonly doubtful: Doubtful; readonly looked: number }> {
  const shown: IntentStory[] = []
  const named: IntentStory[] = []
  const doubtful = new Doubtful()
  let looked = 0
  for (const { digest, read } of found.intents.toReversed()) {
    if (shown.length >= limit) break
    looked += 1
    const entries = await read()
    const story = intentStory(digest, entries, found.around)
    if (isAbout(story, search)) shown.push(story)
    else if (search.intent !== undefined && named.length < limit) named.push(story)
    else doubtful.add(entries.map(({ index }) => index))
  }
  if (shown.length === 0) return { shown: named.toReversed(), doubtful, looked }
  for (const { events, unreadable } of named)
    doubtful.add([...events.map(({ entry }) => entry), ...unreadable].map(({ index }) => index))
  return { shown: shown.toReversed(), doubtful, looked }
}

async function othersOf(
  found: Found,
  limit: number,
): Promise<{ readonly shown: readonly FoundEvents[]; readonly leftOut: number; readonly doubtful: Doubtful }> {
  const verified = new Last<FoundEvents>(limit)
  const rest = new Last<FoundEvents>(limit)
  for await (const one of found.others.read())
    if (one.entry.doubts.length > 0) rest.add(one)
    else if (one.events.some(({ event }) => event.type !== 'source.heartbeat')) verified.add(one)
  const room = limit - verified.list.length
  const marked = room === 0 ? [] : rest.list.slice(-room)
  const doubtful = new Doubtful()
  doubtful.count = rest.count - marked.length
  const left = rest.list.slice(0, rest.list.length - marked.length)
  doubtful.leaves = left.map(({ entry }) => entry.index).slice(-LEAVES_MAX)
  const placeOf = ({ entry }: FoundEvents) => [found.epochs.indexOf(entry.origin), entry.index] as const
  const shown = [...verified.list, ...marked].sort((one, other) => {
    const [[log, index], [otherLog, otherIndex]] = [placeOf(one), placeOf(other)]
    return log - otherLog || index - otherIndex
  })
  return { shown, leftOut: verified.count - verified.list.length, doubtful }
}

/** The last of a list, and how many there were. */
class Last<T> {
  readonly #max: number
  #list: T[] = []
  count = 0

  constructor(max: number) {
    this.#max = max
  }
  get list(): readonly T[] {
    return this.#list.slice(-this.#max)
  }
  add(one: T): void {
    this.count += 1
    this.#list.push(one)
    if (this.#list.length >= 2 * this.#max) this.#list = this.#list.slice(-this.#max)
  }
}

/** All entries that something is shown of, each once. */
export function entriesOf({ stories, others }: Pick<Traced, 'stories' | 'others'>): readonly ReadEntry[] {
  const entries = [
    ...stories.flatMap(({ events, unreadable }) => [...events.map(({ entry }) => entry), ...unreadable]),
    ...others.map(({ entry }) => entry),
  ]
  return [...new Map(entries.map((entry) => [`${entry.origin} ${entry.index}`, entry])).values()]
}

/** Why something may be missing, a sentence each; none where nothing was passed over. */
export function passedOver({ missing, gaps, whole }: Pick<Traced, 'missing' | 'gaps' | 'whole'>): readonly string[] {
  const lost = ', so that what they say may be missing here. `writ audit verify` names them.'
  const entries =
    missing > 0
      ? [`${missing} entries of the log cannot be read${lost}`]
      : whole || gaps.length > 0
        ? []
        : [`entries of the log were altered${lost}`]
  return [...entries, ...gaps.map(gapText)]
}

/** Whether some recorded decision comes out otherwise now, by the same bundle on the same input. */
export function decidedOtherwise({ again }: Pick<Traced, 'again'>): boolean {
  return [...again.values()].some(({ state }) => state === 'different')
}

export function otherwiseOf(traced: Pick<Traced, 'again'>): readonly string[] {
  return decidedOtherwise(traced)
    ? ['a recorded decision is not what its policy decides on its input: whoever signed it decided something else.']
    : []
}

/** What is not shown because nothing verified says it; none where there is no such thing. */
export function doubtfulOf({ doubtful }: Pick<Traced, 'doubtful'>): readonly string[] {
  const { intents, others, leaves } = doubtful
  if (intents + others === 0) return []
  const what = [
    ...(intents === 0 ? [] : [`${intents} intents`]),
    ...(others === 0 ? [] : [`${others} other entries`]),
  ].join(' and ')
  return [
    `${what} that may fit are known from entries alone that are not verified, and are not shown. See leaf ${leaves.join(', ')}${intents + others > leaves.length ? ' and others' : ''} with \`writ audit show\`.`,
  ]
}

function gapText({ log, before, why }: EpochGap): string {
  switch (why) {
    case 'missing':
      return `${log} goes on from ${before}, which is not here: what was recorded before it may be missing.`
    case 'ends otherwise':
      return `${log} does not go on from where ${before ?? 'the log before it'} ends here: what was recorded there may be missing.`
    case 'not said':
      return `Nothing that can be believed says which log ${log} goes on from: what was recorded before it may be missing.`
  }
}
