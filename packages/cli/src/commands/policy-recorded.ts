import type { Evaluator } from '@writ/policy'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { atLeastOne } from '../options.ts'
import { type RecordedOptions, recordedDecisions } from '../policy/recorded-decisions.ts'
import { type CandidatePolicy, type Replay, replay, turns } from '../policy/replay.ts'
import { type Line, type Piece, styled } from '../terminal/style.ts'
import { tableLines } from '../terminal/table.ts'
import { instant } from './policy-text.ts'

/** Options of commands that decide recorded decisions again. */
export type RecordedFlags = RecordedOptions

/** Many years of a small plant, a day of a large one; each decision is held in memory with its documents. */
const LIMIT = 10_000

export function recorded(command: Command): Command {
  return command
    .option('--limit <n>', 'the newest recorded decisions only, this many', atLeastOne, LIMIT)
    .option(
      '--store <place>',
      'the store’s folder, a copy of it, or s3://<bucket>/<prefix> (default: the local plane’s)',
    )
    .option(
      '--subject-keys <file>',
      'keys that open sealed documents: see `writ audit keys` (default: the local plane’s)',
    )
}

/** A replay, or why there is none. */
export type Replayed = Replay | { readonly unavailable: string }

/**
 * Decides recorded decisions again. Where this context does not know where the log of its plane lies, and nobody said, it answers so; a log
 * that lies there and cannot be read is a Fault `unavailable`: what it holds may be what matters.
 */
export async function replayIfReadable(
  context: Context,
  flags: RecordedFlags,
  evaluator: Pick<Evaluator, 'evaluate'>,
  candidate: CandidatePolicy,
): Promise<Replayed> {
  const { store, subjectKeys } = flags
  if (context.local === undefined && store === undefined && subjectKeys === undefined)
    return { unavailable: 'This context does not know where the log of its plane lies; --store DIR says so.' }
  return replay(await recordedDecisions(context, flags), evaluator, candidate)
}

export function linesOfReplay(found: Replayed): readonly Line[] {
  if ('unavailable' in found) return [`recorded  no decision was decided again: ${found.unavailable}`]
  const { decisions, replayed, missing, unproven, left_out, unverified, unreadable, changes } = found
  const summary = turns(changes).map(([turn, count]) => `${count} ${turn}`)
  return [
    changes.length === 0
      ? `recorded  ${replayed} recorded decisions decided again: none would change`
      : [
          styled(
            'yellow',
            `recorded  ${changes.length} of ${replayed} recorded decisions would change: ${summary.join(', ')}`,
          ),
        ],
    ...(missing === 0
      ? []
      : [`          ${missing} of ${decisions} not, since documents that they rest on are erased or sealed`]),
    ...(unproven === 0
      ? []
      : [`          ${unproven} of ${decisions} not, since their documents do not give the input that was decided on`]),
    ...(left_out === 0 ? [] : [`          ${left_out} older entries with other decisions left out: raise --limit`]),
    ...(unverified === 0
      ? []
      : [
          styled(
            'yellow',
            `          ${unverified} entries that tell of decisions do not verify, and nothing of them was taken: \`writ audit verify\` names them`,
          ),
        ]),
    ...(unreadable === 0
      ? []
      : [`          ${unreadable} entries of the log are no audit messages, and were passed over`]),
    ...(changes.length === 0 ? [] : changeLines(found)),
  ]
}

const COLUMNS = [
  { title: '  WHEN' },
  { title: 'INTENT', shrinks: true },
  { title: 'AGENT' },
  { title: 'ACTION' },
  { title: 'TARGETS', shrinks: true },
  { title: 'WAS' },
  { title: 'WOULD BE' },
  { title: 'BECAUSE' },
] as const

function changeLines({ changes }: Replay): readonly Line[] {
  const rows = changes.map(({ at, intent_id, agent_id, action, targets, before, after, changed }): Piece[] => {
    const because = changed.includes('reasons') ? (after?.reasons ?? []).map(({ message }) => message) : []
    return [
      `  ${instant(at)}`,
      intent_id,
      agent_id,
      action,
      targets.join(', '),
      before.outcome,
      after?.outcome ?? 'fails',
      because.length > 0 ? because.join(' ') : changed.join(', '),
    ]
  })
  return tableLines(COLUMNS, rows)
}
