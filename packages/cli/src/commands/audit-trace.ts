import type { EvidenceLog } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { EXIT } from '../exit-codes.ts'
import type { Invocation } from '../invocation.ts'
import { type Line, type Piece, styled } from '../terminal/style.ts'
import { jsonOfEmpty, jsonOfEvent, lineOfEmpty, lineOfEvent, linesOfStory } from './audit-lines.ts'
import { openEvidence, type PlaceOptions } from './audit-place.ts'
import { writeProofs } from './audit-proofs.ts'
import {
  decidedOtherwise,
  doubtfulOf,
  entriesOf,
  isVerified,
  otherwiseOf,
  passedOver,
  type SearchOptions,
  searchOf,
  type Traced,
  trace,
} from './audit-traced.ts'

export interface TraceOptions extends SearchOptions {
  readonly proofs?: string
}

/** `writ audit trace [DIR]` */
export async function auditTrace(
  invocation: Invocation,
  dir: string | undefined,
  options: TraceOptions,
): Promise<void> {
  const search = searchOf(options)
  if (Object.keys(search).length === 0)
    throw withAdvice(
      new Fault('malformed', { message: 'Say what to trace.' }),
      'One or more of --intent, --agent, --device, --token, --from and --to.',
    )
  const log = await openEvidence(invocation, dir, options)
  const traced = await trace(invocation, log, options)
  const { stories, others } = traced
  if (search.intent !== undefined && stories.length === 0)
    throw withAdvice(
      new Fault('unavailable', { message: `The log holds nothing about the intent ${search.intent}.` }),
      'It may not be sealed yet: try again in a few seconds, or look at `writ audit tail`.',
    )
  const { origin, size, root } = log.newest
  const checkpoint = { origin, size, root: Buffer.from(root).toString('base64') }
  const ok = isVerified(traced) && traced.whole && !decidedOtherwise(traced)
  const keys = keysGiven(options)
  const files = options.proofs === undefined ? [] : await writeProofs(entriesOf(traced), options.proofs)
  const value = { ok, checkpoint, checkpoints: checkpointsOf(log, traced), keys_given: keys, ...jsonOf(traced), files }
  invocation.out.result(value, [
    ...linesOf(log, traced, keys),
    ...(options.proofs === undefined || stories.length + others.length === 0
      ? []
      : [
          `${files.length} files written to ${options.proofs}: of each entry its bytes and its proof (C2SP tlog-proof)`,
        ]),
  ])
  if (!ok) invocation.fail(EXIT.notVerified)
}

function jsonOf({ stories, others, ...rest }: Traced): object {
  const intents = stories.map(({ events, unreadable, decisions, ...story }) => ({
    ...story,
    decisions: decisions.map((one) => ({ ...one, decided_again: rest.again.get(one.digest) })),
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
    not_verified_left_out: rest.doubtful,
    sealed_documents: rest.sealed,
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
      ...linesOfStory(story, traced.again),
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
    ...leftOut(intentsLeftOut, 'earlier intents, not looked at'),
    ...leftOut(othersLeftOut, 'earlier entries'),
    ...[...doubtfulOf(traced), ...passedOver(traced), ...otherwiseOf(traced)].map(
      (what): Line => [styled('red', `✗ NOT VERIFIED: ${what}`)],
    ),
    ...closing(log, traced, keys),
  ]
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
  const read = `All entries of ${traced.epochs.join(' and ')} up to`
  // Which agent a revoke is about, or a device an intent, stands in sealed documents alone.
  const unread =
    traced.sealed === 0
      ? []
      : [
          keys
            ? `  ${traced.sealed} sealed documents were not opened by any key that was given, and more may be about it there.`
            : `  ${traced.sealed} sealed documents were not opened, and more may be about it there: --open or --subject-keys reads them.`,
        ]
  if (entries.length === 0)
    return traced.whole && doubtfulOf(traced).length === 0
      ? [
          traced.sealed === 0
            ? 'Nothing of that is in the log.'
            : 'Nothing of that is in the log outside of sealed documents.',
          `  ${read} the signed checkpoint were read.`,
          ...unread,
        ]
      : ['Nothing of that was found.', ...unread]
  return [
    doubtful === 0
      ? [styled('green', `✓ ${entries.length} entries, each verified`)]
      : [styled('red', `✗ ${doubtful} of ${entries.length} entries are NOT VERIFIED`)],
    '  Verified: a key that was valid for its source has signed it, and its inclusion proof leads to a checkpoint that the pinned log key has signed:',
    ...checkpointsOf(log, traced).map(({ origin, size, root }) => `    ${origin}, ${size} entries, root ${root}`),
    ...(traced.whole
      ? [
          traced.sealed === 0
            ? `  ${read} it were read: the log holds nothing else about this. \`writ audit verify\` says whether it should.`
            : `  ${read} it were read.`,
        ]
      : []),
    ...unread,
  ]
}

/** What the inclusion proofs of the entries that are shown were checked against, oldest first. */
function checkpointsOf(
  log: EvidenceLog,
  traced: Traced,
): readonly { readonly origin: string; readonly size: number; readonly root: string }[] {
  const shown = new Set(entriesOf(traced).map(({ origin }) => origin))
  return log.logs
    .filter(({ origin }) => shown.has(origin))
    .map(({ origin, size, root }) => ({ origin, size, root: Buffer.from(root).toString('base64') }))
}

function indented(line: readonly Piece[]): Line {
  return ['  ', ...line]
}
