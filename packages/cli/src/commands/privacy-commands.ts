import { resolve } from 'node:path'
import { EvidenceLog, readEverything, subjectOfKey } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { compactSubjectKeys, connectStore } from '@writ/plane'
import type { Command } from 'commander'
import { withAdvice } from '../advice.ts'
import { planeOf } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { writeLines, writeWhole } from '../export/whole-file.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { aboutPerson, keysFor } from '../privacy/about-person.ts'
import { erasePerson } from '../privacy/erase-person.ts'
import { type Person, personOf } from '../privacy/person.ts'
import { type Line, styled } from '../terminal/style.ts'
import { jsonOfEvent } from './audit-lines.ts'
import { advised, evidencePlace, type PlaceOptions, subjectKeysOfPlane, withPlaceOptions } from './audit-place.ts'
import { progressOf } from './audit-progress.ts'
import { passedOver } from './audit-traced.ts'
import { filing, type SigningOptions, signedSession } from './signing-options.ts'

interface Named {
  readonly subject?: string
}

/** `writ privacy export|erase|compact|subject` */
export function addPrivacyCommands(program: Command, act: Act): void {
  const privacy = program
    .command('privacy')
    .description('What the evidence holds about a person: hand it out, or erase it.')
  addExport(privacy, act)
  addErase(privacy, act)
  addCompact(privacy, act)
  addSubject(privacy, act)
}

function addSubject(privacy: Command, act: Act): void {
  const command = privacy
    .command('subject')
    .argument('<user>', 'the user’s id, exactly')
    .description('how records and keys name a person: who signs an erasure too compares it')
    .action(
      act(async (invocation, user) => {
        const { subject, pseudonym } = await personOf(invocation, String(user), undefined)
        invocation.out.result({ ok: true, subject, pseudonym }, [`${subject}, in events ${pseudonym}`])
      }),
    )
  examples(command, 'writ privacy subject u-anna')
}

interface ExportOptions extends PlaceOptions {
  readonly out: string
}

function addExport(privacy: Command, act: Act): void {
  const command = withPlaceOptions(
    privacy
      .command('export')
      .argument('<user>', 'the user’s id, exactly; needs the plane’s folder')
      .description('everything the logs hold about a person, opened with their keys, in one file of NDJSON')
      .requiredOption('--out <file>', 'where to; its mode is 0600'),
  )
    .addHelpText(
      'after',
      `
The first line says whom it is about and which logs were read; each other line is an event with its leaf. Opens with the keys of the context’s plane unless
--subject-keys is given. Documents under the keys of other people stay closed. Ends with 6 when anything in it is not verified.`,
    )
    .action(
      act((invocation, user, dir, options) =>
        exportPerson(invocation, String(user), dir as string | undefined, options as ExportOptions),
      ),
    )
  examples(command, 'writ privacy export u-anna --out anna.ndjson')
}

async function exportPerson(
  invocation: Invocation,
  user: string,
  dir: string | undefined,
  options: ExportOptions,
): Promise<void> {
  const { out, fail } = invocation
  const person = await personOf(invocation, user, undefined)
  const place = await evidencePlace(invocation, dir, options)
  const all = place.subjectKeys ?? new Map((await subjectKeysOfPlane(invocation)).map(({ kid, key }) => [kid, key]))
  const subjectKeys = keysFor(person, all)
  const log = await advised(EvidenceLog.open({ ...place, subjectKeys }))
  const everything = await readEverything(log, { ...place, subjectKeys }, progressOf(out, 'reading'))
  const counts = { events: 0, doubtful: 0, sealed: 0 }
  const about = {
    about: person,
    keys: [...subjectKeys.keys()].filter((kid) => subjectOfKey(kid) === person.subject),
    logs: log.logs.map(({ origin, size, root }) => ({ origin, size, root: Buffer.from(root).toString('base64') })),
  }
  async function* lines(): AsyncGenerator<object> {
    yield about
    for await (const { entry, read } of aboutPerson(everything, person, progressOf(out, 'searching'))) {
      counts.events += 1
      if (entry.doubts.length > 0) counts.doubtful += 1
      counts.sealed += read.documents.filter(({ state }) => state === 'sealed').length
      yield jsonOfEvent(entry, read)
    }
  }
  await writeWhole(options.out, (_, handle) => writeLines(handle, lines()))
  out.progress()
  const over = passedOver(everything)
  const ok = counts.doubtful === 0 && over.length === 0
  out.result({ ok, file: resolve(options.out), ...about, ...counts, whole: everything.whole }, [
    `${counts.events} events written to ${resolve(options.out)}: keep it as you would keep what it tells`,
    ...(counts.sealed === 0
      ? []
      : [
          `  ${counts.sealed} documents in it are sealed: under other people’s keys, or under keys that were destroyed`,
        ]),
    ...(counts.doubtful === 0 ? [] : [notVerified(`${counts.doubtful} of them, each marked in it.`)]),
    ...over.map(notVerified),
  ])
  if (!ok) fail(EXIT.notVerified)
}

function notVerified(what: string): Line {
  return [styled('red', `✗ NOT VERIFIED: ${what}`)]
}

interface EraseOptions extends SigningOptions, Named {}

function addErase(privacy: Command, act: Act): void {
  const command = filing(
    privacy
      .command('erase')
      .argument('[user]', 'the user’s id, exactly; needs the plane’s folder')
      .option('--subject <id>', 'instead: u-…, as `writ privacy subject` prints it')
      .description(
        'destroy the keys of what is sealed about a person: two operators sign it, and nobody can take it back',
      ),
    'Erasure of what is sealed about this person.',
  ).action(act((invocation, user, options) => erase(invocation, user as string | undefined, options as EraseOptions)))
  examples(
    command,
    { run: 'writ privacy erase u-anna --cosign people/dora', what: 'both packages on this machine' },
    {
      run: 'writ privacy erase u-anna --cosign-request anna.command',
      what: 'the other operator signs elsewhere: `writ cosign anna.command --sign`',
    },
  )
  command.addHelpText(
    'after',
    `
Refused under legal hold and while intents of the person are not settled. Interrupted after it was filed, it is completed by the services. Where the
plane’s folder is at hand the files of the bus forget the keys too. What holds the person’s id in the clear for some days, and what for good, is in
docs/privacy.md.`,
  )
}

function addCompact(privacy: Command, act: Act): void {
  const command = privacy
    .command('compact')
    .description('make the files of the bus forget keys that were destroyed; `erase` does it where it can')
    .action(
      act(async ({ context, out }) => {
        const plane = await planeOf(await context())
        const store = await connectStore(plane)
        try {
          const { rewritten } = await compactSubjectKeys(store)
          out.result({ ok: true, rewritten }, [`${rewritten} values written again, into new files`])
        } finally {
          await store.close()
        }
      }),
    )
  examples(command, 'writ privacy compact')
}

async function erase(invocation: Invocation, user: string | undefined, options: EraseOptions): Promise<void> {
  const { out } = invocation
  if ((options.cosign ?? []).length === 0 && options.cosignRequest === undefined)
    throw withAdvice(
      new Fault('approval_required', { message: 'An erasure is signed by two operators.' }),
      'Name another’s package with --cosign DIR, or a file for another machine with --cosign-request FILE.',
    )
  const person = await personOf(invocation, user, options.subject)
  const context = await invocation.context()
  const plane = context.local === undefined ? undefined : await planeOf(context)
  await using session = await signedSession(context, { ...options, told: out.note })
  const erased = await erasePerson(session, plane, person, options.reason)
  out.result({ ok: true, ...erased }, [...linesOf(person, erased)])
}

function* linesOf(
  { user, subject }: Person,
  { version, compacted, namedBy }: Awaited<ReturnType<typeof erasePerson>>,
): Generator<Line> {
  yield `${subject} is erased, for the ${version === 1 ? 'first' : `${version}.`} time: what was sealed about this person opens to nobody any more`
  if (!compacted)
    yield '  the files of the bus may still have the wrapped keys: where the plane’s folder is, `writ privacy compact` ends that'
  if (namedBy.length > 0)
    yield `  ${user} is still named by ${namedBy.join(', ')}: remove it there; earlier versions of records are kept`
  yield '  see docs/privacy.md for what forgets the id within days, and what never does'
}
