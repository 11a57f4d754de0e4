import type { LogVerification } from '@writ/audit'
import { type Line, styled } from '../terminal/style.ts'

const LINES_MAX = 50

/** For people: what was read, what is wrong, and at the end what it means. */
export function linesOfVerification(found: LogVerification, seconds: number): readonly Line[] {
  const { ok, origin, size, root, logs, seals, sources, messages, events, effects, documents, sealed, waiting } = found
  const { findings, findingsCount } = found
  const shown = findings.slice(0, LINES_MAX)
  const field = (name: string, value: string): Line => [styled('dim', name.padEnd(11)), value]
  return [
    field('log', origin),
    ...(logs.length > 1 ? [field('after', logs.slice(0, -1).join(', '))] : []),
    field('size', `${size} entries in ${seals} seals${size === 0 ? '' : `, root ${root}`}`),
    field('messages', `${messages} of ${sources} sources, with ${events} events`),
    field('effects', `${effects} plans, tokens, redeems and actions`),
    field('documents', `${documents}, of which ${sealed} are sealed`),
    ...(waiting === 0 ? [] : [field('waiting', `${waiting} messages or effects of the last moment`)]),
    field('took', `${seconds.toFixed(1)} s, ${Math.round(messages / Math.max(seconds, 0.001))} messages a second`),
    ...shown.map(
      ({ verdict, where, message }): Line => [styled('red', `  ${verdict}  `), `${placeOf(where)}${message}`],
    ),
    ...(findingsCount > shown.length ? [`  … and ${findingsCount - shown.length} more findings`] : []),
    '',
    ...verdictOf(found).map((sentence, at): Line => (at === 0 ? [styled(ok ? 'green' : 'red', sentence)] : sentence)),
  ]
}

export function placeOf({ log, leaf, object }: LogVerification['findings'][number]['where']): string {
  const parts = [log, leaf === undefined ? undefined : `leaf ${leaf}`, object]
  const place = parts.filter((part) => part !== undefined).join(', ')
  return place === '' ? '' : `${place}: `
}

/** What the verification means, in whole sentences: the first is the verdict, the others say what it covers and what it does not. */
export function verdictOf(found: LogVerification): readonly string[] {
  const { ok, origin, size, root, findingsCount, effects, sealed, waiting, twoPerson } = found
  if (!ok) {
    const count = findingsCount === 1 ? 'one thing is' : `${findingsCount} things are`
    return [
      `NOT VERIFIED: ${count} wrong with the audit log ${origin}.`,
      'Each is named: do not rely on the log where it applies. A finding that names an entry or a sender is about that entry or sender; one that names a checkpoint, a seal or a missing file puts the whole log in doubt.',
    ]
  }
  return [
    `VERIFIED: the audit log ${origin} is whole and unaltered, from its first entry to its signed checkpoint of ${size} entries (root ${root}).`,
    'Every message in it was signed by a key that was valid for its sender at that time, and none of any sender’s messages before its last one here is missing.',
    `Each of the ${effects} plans, tokens, redeems and actions in it rests on an intent, a decision and operator-signed records that are in it too.`,
    ...(waiting === 0
      ? []
      : [
          `Excepted are ${waiting} messages or effects of the last moment, whose evidence may still be on its way: verify again in a minute.`,
        ]),
    ...(sealed === 0
      ? []
      : [
          `The content of ${sealed} sealed documents was not read: only their digests are covered. Who has their keys can verify that too.`,
        ]),
    ...(twoPerson === undefined
      ? [
          'Not judged: whether records have the second operator that their kind may need, since the pins do not say which kinds do.',
        ]
      : twoPerson === 0
        ? []
        : [`Each of the ${twoPerson} records whose kind needs two operators is signed by two.`]),
    'Not shown by this: that the log’s owner has not put the whole log back to an earlier state, or shown others another one. Against that keep the root and size above, or the log’s file “checkpoint”, and give it to a later verification with --checkpoint.',
  ]
}
