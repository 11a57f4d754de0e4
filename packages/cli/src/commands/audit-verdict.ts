import type { LogVerification, StoreUse } from '@writ/audit'
import { type Line, styled } from '../terminal/style.ts'

const LINES_MAX = 50

/** For people: what was read, what is wrong, and at the end what it means. */
export function linesOfVerification(found: LogVerification, seconds: number): readonly Line[] {
  const { ok, origin, size, root, logs, seals, sources, messages, events, effects, documents, sealed, waiting } = found
  const { findings, findingsCount, until } = found
  const shown = findings.slice(0, LINES_MAX)
  const field = (name: string, value: string): Line => [styled('dim', name.padEnd(11)), value]
  return [
    field('log', origin),
    ...(logs.length > 1 ? [field('after', logs.slice(0, -1).join(', '))] : []),
    field('size', `${size} entries in ${seals} seals${size === 0 ? '' : `, root ${root}`}`),
    ...(until === 0 ? [] : [field('up to', `${instantText(until)}, when a service last signed something in it`)]),
    field('messages', `${messages} of ${sources} sources, with ${events} events`),
    field('effects', `${effects} plans, tokens, redeems and actions`),
    field('documents', `${documents}, of which ${sealed} are sealed`),
    ...(waiting === 0 ? [] : [field('waiting', `${waiting} messages, effects or seals of the last moment`)]),
    field('took', `${seconds.toFixed(1)} s, ${Math.round(messages / Math.max(seconds, 0.001))} messages a second`),
    ...shown.map(
      ({ verdict, where, message }): Line => [styled('red', `  ${verdict}  `), `${placeOf(where)}${message}`],
    ),
    ...(findingsCount > shown.length ? [`  … and ${findingsCount - shown.length} more findings`] : []),
    '',
    ...statementOf(found).map((sentence, at): Line => {
      if (at === 0) return [styled(ok ? 'green' : 'red', sentence)]
      return sentence.startsWith('UNPROVEN') ? [styled('yellow', sentence)] : sentence
    }),
  ]
}

export function placeOf({ log, leaf, object }: LogVerification['findings'][number]['where']): string {
  const parts = [log, leaf === undefined ? undefined : `leaf ${leaf}`, object]
  const place = parts.filter((part) => part !== undefined).join(', ')
  return place === '' ? '' : `${place}: `
}

/** What the verification means, in whole sentences: the first is the verdict, the others say what it covers and what it does not. */
export function statementOf(found: LogVerification): readonly string[] {
  return [...(found.ok ? verified(found) : notVerified(found)), ...storage(found)]
}

function notVerified({ origin, findingsCount, verdicts }: LogVerification): readonly string[] {
  const count = findingsCount === 1 ? 'one thing is' : `${findingsCount} things are`
  return [
    `NOT VERIFIED: ${count} wrong with the audit log ${origin}.`,
    `Each is named (${verdicts.join(', ')}): do not rely on the log where it applies. A finding that names an entry or a sender is about that entry or sender; one that names a checkpoint, a seal or a missing file puts the whole log in doubt.`,
  ]
}

function verified(found: LogVerification): readonly string[] {
  const { origin, size, root, effects, sealed, waiting, twoPerson, known, timed } = found
  return [
    `VERIFIED: the audit log ${origin} is whole and unaltered, from its first entry to its signed checkpoint of ${size} entries (root ${root}).`,
    'Every message in it was signed by a key that was valid for its sender at that time, and none of any sender’s messages before its last one here is missing. No sender fell silent.',
    `Each of the ${effects} plans, tokens, redeems and actions in it rests on an intent, a decision and operator-signed records that are in it too.`,
    ...(waiting === 0
      ? []
      : [
          `Excepted are ${waiting} messages, effects or seals of the last moment, whose evidence or checkpoint may still be on its way: verify again in a minute.`,
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
    ...witnessedText(found),
    timed === 0
      ? 'Not judged: when its checkpoints were signed. No key that signs times for this log is pinned, or none did; all other times are the word of who recorded them.'
      : `The signed times of its checkpoints never go back; ${timed} were compared.`,
    known === 0
      ? 'Not shown by this: that the log’s owner has not put the whole log back to an earlier state, or shown others another one. Against that keep the root and size above, or the log’s file “checkpoint”, and give it to a later verification with --known-checkpoint.'
      : `It goes on from ${known === 1 ? 'the checkpoint' : `each of the ${known} checkpoints`} that was brought from elsewhere: since then it was not put back, and whoever gave that checkpoint saw this history.`,
  ]
}

function witnessedText({ witnessed, size }: LogVerification): readonly string[] {
  if (witnessed === undefined || witnessed.quorum === 'none') return []
  const names = witnessed.by.map(({ name, timeSeconds }) => `${name} at ${instantText(timeSeconds)}`).join(', ')
  return [
    `Its checkpoint of ${size} entries was cosigned by ${names}: these saw the same history, and that it was never put back.`,
  ]
}

/** What is known of the storage itself: whether it had shown to be write-once, and whether its objects are locked. */
function storage({ stores, retention, logs }: LogVerification): readonly string[] {
  const unproven = stores.filter(({ statement }) => !statement.proven)
  return [
    ...unproven.map(unprovenText),
    ...(stores.length > 0 && unproven.length === 0
      ? ['Each time that it was opened for writing, its storage had just shown that it is write-once.']
      : []),
    ...(stores.length === 0
      ? ['Not known: whether its storage ever showed that it is write-once; nothing in the log says so.']
      : []),
    ...retention.map((checked, at) => {
      if (checked.state === 'not checked')
        return `Not checked: whether the objects of ${logs[at]} are locked against deletion. ${checked.why}`
      const { objects, held, until } = checked
      const lasting = until === undefined ? '' : `, those that are to last until ${until} or later`
      return `${objects} objects of ${logs[at]} were asked for their locks${lasting}${held === 0 ? '' : `; ${held} are under legal hold`}.`
    }),
  ]
}

function unprovenText({ log, leaf, from, starts, statement }: StoreUse): string {
  const { kind, failed, unproven } = statement
  const flag =
    unproven === undefined ? '' : ` It was used all the same, by the development flag WRIT_STORE_UNPROVEN=${unproven}.`
  const often = starts === 1 ? '' : `, and at ${starts - 1} later starts`
  return `UNPROVEN STORE: in ${log} from ${from} on (leaf ${leaf}${often}) the log was written to a ${kind} store that had not shown that it is write-once: ${failed.join(', ')}.${flag}`
}

export function instantText(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}
