import {
  type EpochGap,
  type EvidenceLog,
  type FoundEvents,
  type IntentStory,
  intentStory,
  type ReadEntry,
  type Search,
} from '@writ/audit'
import { Fault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { type Line, type Piece, styled } from '../terminal/style.ts'
import { jsonOfEmpty, jsonOfEvent, lineOfEmpty, lineOfEvent, linesOfStory } from './audit-lines.ts'
import { openEvidence, type PlaceOptions } from './audit-place.ts'
import { progressOf } from './audit-progress.ts'

export interface SearchOptions extends PlaceOptions {
  readonly intent?: string
  readonly agent?: string
  readonly device?: string
  readonly from?: number
  readonly to?: number
  readonly limit: number
}

/** What the log holds about something, told and verified. */
export interface Traced {
  /** In the order of the log; of more than the limit the last. */
  readonly stories: readonly IntentStory[]
  /** Events about no intent; likewise. */
  readonly others: readonly FoundEvents[]
  readonly intentsLeftOut: number
  readonly othersLeftOut: number
  /** Entries of the log that could not be read. */
  readonly missing: number
  /** Origins of the logs that were read, oldest first. */
  readonly epochs: readonly string[]
  /** Logs that do not go on from the one before: an earlier one may be missing. */
  readonly gaps: readonly EpochGap[]
  /** Nothing that was ever recorded about it was passed over. */
  readonly whole: boolean
}

/** `writ audit trace [DIR]` */
export async function auditTrace(
  invocation: Invocation,
  dir: string | undefined,
  options: SearchOptions,
): Promise<void> {
  const search = searchOf(options)
  if (Object.keys(search).length === 0)
    throw withAdvice(
      new Fault('malformed', { message: 'Say what to trace.' }),
      'One or more of --intent, --agent, --device, --from and --to.',
    )
  const log = await openEvidence(invocation, dir, options)
  const traced = await trace(invocation, log, search, options.limit)
  const { stories, others } = traced
  if (search.intent !== undefined && stories.length === 0)
    throw withAdvice(
      new Fault('unavailable', { message: `The log holds nothing about the intent ${search.intent}.` }),
      'It may not be sealed yet: try again in a few seconds, or look at `writ audit tail`.',
    )
  const verified = stories.every((story) => story.verified) && others.every(({ entry }) => entry.doubts.length === 0)
  const { origin, size, root } = log.newest
  const checkpoint = { origin, size, root: Buffer.from(root).toString('base64') }
  const ok = verified && traced.whole
  const keys = keysGiven(options)
  invocation.out.result({ ok, checkpoint, keys_given: keys, ...jsonOf(traced) }, linesOf(log, traced, keys))
  if (!ok) invocation.fail(EXIT.notVerified)
}

export function searchOf({ intent, agent, device, from, to }: SearchOptions): Search {
  return {
    ...(intent !== undefined && { intent }),
    ...(agent !== undefined && { agent }),
    ...(device !== undefined && { device }),
    ...(from !== undefined && { fromMs: from }),
    ...(to !== undefined && { toMs: to }),
  }
}

/** Finds and verifies. Heartbeats are left out: they say only that somebody was there. */
export async function trace(
  { out }: Pick<Invocation, 'out'>,
  log: EvidenceLog,
  search: Search,
  limit: number,
): Promise<Traced> {
  const found = await log.find(search, progressOf(out, 'reading'))
  out.progress()
  const stories: IntentStory[] = []
  for (const { digest, read } of found.intents.slice(-limit))
    stories.push(intentStory(digest, await read(), found.around))
  const others: FoundEvents[] = []
  for await (const one of found.others.read())
    if (one.entry.doubts.length > 0 || one.events.some(({ event }) => event.type !== 'source.heartbeat'))
      others.push(one)
  return {
    stories,
    others: others.slice(-limit),
    intentsLeftOut: Math.max(0, found.intents.length - limit),
    othersLeftOut: Math.max(0, others.length - limit),
    missing: found.missing,
    epochs: found.epochs,
    gaps: found.gaps,
    whole: found.whole,
  }
}

function jsonOf({ stories, others, ...rest }: Traced): object {
  const intents = stories.map(({ events, unreadable, ...story }) => ({
    ...story,
    unreadable: unreadable.map(jsonOfEmpty),
    events: events.map(({ entry, read }) => ({ ...jsonOfEvent(entry, read), proof: entry.proof })),
  }))
  return {
    intents,
    others: others.flatMap(({ entry, events }) =>
      events.length === 0
        ? [jsonOfEmpty(entry)]
        : events.map((read) => ({ ...jsonOfEvent(entry, read), proof: entry.proof })),
    ),
    intents_left_out: rest.intentsLeftOut,
    others_left_out: rest.othersLeftOut,
    unreadable_entries: rest.missing,
    epochs: rest.epochs,
    epoch_gaps: rest.gaps,
    whole: rest.whole,
  }
}

function linesOf(log: EvidenceLog, traced: Traced, keys: boolean): readonly Line[] {
  const { stories, others, intentsLeftOut, othersLeftOut } = traced
  const width = String(log.newest.size).length
  return [
    ...stories.flatMap((story) => [
      ...linesOfStory(story),
      ...story.events.map(({ entry, read }) => indented(lineOfEvent(entry, read, width))),
      ...story.unreadable.map((entry) => indented(lineOfEmpty(entry, width))),
      '',
    ]),
    ...(others.length === 0 ? [] : [stories.length === 0 ? 'events' : 'other events']),
    ...others.flatMap(({ entry, events }) =>
      events.length === 0
        ? [indented(lineOfEmpty(entry, width))]
        : events.map((read) => indented(lineOfEvent(entry, read, width))),
    ),
    ...(others.length === 0 ? [] : ['']),
    ...leftOut(intentsLeftOut, 'earlier intents'),
    ...leftOut(othersLeftOut, 'earlier entries'),
    ...passedOver(traced).map((what): Line => [styled('red', `✗ NOT VERIFIED: ${what}`)]),
    ...closing(log, traced, keys),
  ]
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

/** All entries that something is shown of, each once. */
export function entriesOf({ stories, others }: Pick<Traced, 'stories' | 'others'>): readonly ReadEntry[] {
  const entries = [
    ...stories.flatMap(({ events, unreadable }) => [...events.map(({ entry }) => entry), ...unreadable]),
    ...others.map(({ entry }) => entry),
  ]
  return [...new Map(entries.map((entry) => [`${entry.origin} ${entry.index}`, entry])).values()]
}

function leftOut(count: number, what: string): readonly Line[] {
  return count === 0 ? [] : [`… and ${count} ${what}: narrow the search, or raise --limit.`]
}

function keysGiven({ open, subjectKeys }: PlaceOptions): boolean {
  return open === true || subjectKeys !== undefined
}

/** What the ticks stand for, and what they do not. */
function closing(log: EvidenceLog, traced: Traced, keys: boolean): readonly Line[] {
  const entries = entriesOf(traced)
  const doubtful = entries.filter(({ doubts }) => doubts.length > 0).length
  const { origin, size, root } = log.newest
  const read = `All entries of ${traced.epochs.join(' and ')} up to`
  // Which agent a revoke is about, or a device an intent, stands in sealed documents alone.
  const unread = keys
    ? []
    : ['  Sealed documents were not opened, and more may be about it there: --open or --subject-keys reads them.']
  if (entries.length === 0)
    return traced.whole
      ? [
          keys ? 'Nothing of that is in the log.' : 'Nothing of that is in the log outside of sealed documents.',
          `  ${read} the signed checkpoint were read.`,
          ...unread,
        ]
      : ['Nothing of that was found.']
  return [
    doubtful === 0
      ? [styled('green', `✓ ${entries.length} entries, each verified`)]
      : [styled('red', `✗ ${doubtful} of ${entries.length} entries are NOT VERIFIED`)],
    `  Verified: it stands in ${origin} under its signed checkpoint of ${size} entries (root ${Buffer.from(root).toString('base64')}), and a key that was valid for its source has signed it.`,
    ...(traced.whole
      ? [
          keys
            ? `  ${read} it were read: the log holds nothing else about this that these keys open. \`writ audit verify\` says whether it should.`
            : `  ${read} it were read.`,
          ...unread,
        ]
      : []),
  ]
}

function indented(line: readonly Piece[]): Line {
  return ['  ', ...line]
}
