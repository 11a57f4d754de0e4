import type { IntentStory, ReadEntry, ReadEvent } from '@writ/audit'
import type { DecidedAgain } from '../policy/decide-again.ts'
import { type Line, type Piece, type Style, styled } from '../terminal/style.ts'
import { againText } from './audit-again.ts'
import { resultText, sawText, sentenceOf, whoOf } from './audit-sentences.ts'

const WHO_WIDTH = 22
const VERB_WIDTH = 10

const STYLES: Readonly<Partial<Record<string, Style>>> = {
  succeeded: 'green',
  approved: 'green',
  failed: 'red',
  denied: 'red',
  refused: 'red',
  rejected: 'red',
  aborted: 'red',
  revoked: 'red',
  revoke: 'red',
  void: 'red',
  unknown: 'red',
  partial: 'yellow',
  expired: 'yellow',
  cancelled: 'yellow',
  lift: 'green',
  alive: 'dim',
}

/** An event in one line: whether its entry is verified, which leaf, when by its source's clock, who, what. */
export function lineOfEvent(entry: ReadEntry, read: ReadEvent, leafWidth: number): readonly Piece[] {
  const { verb, text } = sentenceOf(read)
  const mark = entry.doubts.length === 0 ? styled('green', '✓') : styled('red', '✗')
  return [
    mark,
    ` ${String(entry.index).padStart(leafWidth)}  `,
    styled('dim', read.event.timestamp),
    `  ${whoOf(entry).padEnd(WHO_WIDTH)}  `,
    stateOf(verb, VERB_WIDTH),
    ` ${text}`,
    ...(entry.doubts.length === 0 ? [] : [styled('red', `  NOT VERIFIED: ${doubtsOf(entry)}`)]),
  ]
}

/** An entry that holds no audit message, so there is no event to show. */
export function lineOfEmpty(entry: ReadEntry, leafWidth: number): readonly Piece[] {
  return [styled('red', `✗ ${String(entry.index).padStart(leafWidth)}  NOT VERIFIED: ${doubtsOf(entry)}`)]
}

export function stateOf(state: string, width = 0): Piece {
  const style = STYLES[state]
  return style === undefined ? state.padEnd(width) : styled(style, state.padEnd(width))
}

export function doubtsOf({ doubts }: ReadEntry): string {
  return doubts.map(({ verdict, message }) => `${verdict}: ${message}`).join(' ')
}

/** Who asked for what and what came of it, in a few lines above the events. */
export function linesOfStory(story: IntentStory, again: ReadonlyMap<string, DecidedAgain>): readonly Line[] {
  const { intent, intent_id, digest, agent_id, user, action, state, reasons, steps, decisions, approvals } = story
  const id = intent_id ?? digest
  const who = intent?.on_behalf_of ?? user ?? 'nobody known'
  const targets = intent?.targets ?? [...new Set(steps.map(({ device_id }) => device_id))]
  return [
    ['intent ', styled('bold', id), '  ', stateOf(state), reasons.length === 0 ? '' : `  ${reasons.join(', ')}`],
    field('digest', digest),
    field('asked', `agent ${agent_id ?? 'not known'} for ${who}: ${action ?? '?'} ${targets.join(', ')}`),
    ...(intent === undefined ? [] : [field('purpose', `“${intent.purpose}”`)]),
    ...(intent?.params === undefined ? [] : [field('params', JSON.stringify(intent.params))]),
    ...decisions.flatMap(({ outcome, policy, digest: decision }): Line[] => {
      const redone = again.get(decision)
      const text = againText(redone)
      return [
        field(
          'decided',
          `${outcome.replace('_', ' ')} under policy version ${policy.version}, bundle ${policy.bundle_sha256}`,
        ),
        redone?.state === 'different'
          ? [styled('red', `  again     ${text}`)]
          : field('again', `decided again: ${text}`),
      ]
    }),
    ...approvals.map(({ user: approver, verdict, approval }) =>
      field(
        verdict === 'reject' ? 'rejected' : 'approved',
        `by ${approval?.iss ?? approver}: ${sawText(approval, story)}`,
      ),
    ),
    ...steps.map(({ step_id, device_id, gateway_id, state: ended, outcome }) =>
      field(step_id, `${device_id} via ${gateway_id}: ${ended}${after(resultText(outcome))}`),
    ),
    ...(untold(story) === undefined ? [] : [field('others', untold(story) ?? '')]),
  ]
}

/** What is not told of an intent of which steps ran; undefined where all of them are. */
export function untold({ steps, targets }: Pick<IntentStory, 'steps' | 'targets'>): string | undefined {
  if (steps.length === 0) return undefined
  if (targets === undefined)
    return 'how many steps it had is not known here: its keys, or the records of its devices, say'
  const left = targets - steps.length
  return left > 0 ? `${left} of ${targets} steps did not begin, as far as the log shows` : undefined
}

export function field(name: string, value: string): Line {
  return [styled('dim', `  ${name.padEnd(9)} `), value]
}

const after = (text: string | undefined): string => (text === undefined ? '' : `, ${text}`)

/** An event as JSON, for a line of NDJSON or a list. */
export function jsonOfEvent(entry: ReadEntry, { event, documents }: ReadEvent): object {
  const { origin, index, message, doubts } = entry
  return { origin, leaf: index, ...message, verified: doubts.length === 0, doubts, event, documents }
}

/** An entry that holds no audit message, as JSON. */
export function jsonOfEmpty({ origin, index, doubts }: ReadEntry): object {
  return { origin, leaf: index, verified: false, doubts }
}
