import { resolve } from 'node:path'
import { writeSubjectKeysFile } from '@writ/audit'
import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { atLeastOne, list, wholeNumber } from '../options.ts'
import { auditCheckProof, type CheckProofOptions } from './audit-check-proof.ts'
import { auditCheckReport, type CheckReportOptions } from './audit-check-report.ts'
import { addExportCommand } from './audit-export.ts'
import { addHoldCommands } from './audit-hold.ts'
import { instantOf } from './audit-instant.ts'
import { subjectKeysOfPlane, withPlaceOptions } from './audit-place.ts'
import { auditReport, type ReportOptions } from './audit-report.ts'
import { auditShow, type ShowOptions } from './audit-show.ts'
import { auditTail, type TailOptions } from './audit-tail.ts'
import { auditTrace, type TraceOptions } from './audit-trace.ts'
import { auditVerify, type VerifyOptions } from './audit-verify.ts'

/** `writ audit …` */
export function addAuditCommands(program: Command, act: Act): void {
  const audit = program
    .command('audit')
    .description('Read and verify the evidence: a folder of the log, or a copy of it, and pins are all it takes.')
  addVerify(audit, act)
  addTail(audit, act)
  addTrace(audit, act)
  addShow(audit, act)
  addReport(audit, act)
  addCheckReport(audit, act)
  addCheckProof(audit, act)
  addExportCommand(audit, act)
  addKeys(audit, act)
  addHoldCommands(audit, act)
}

function addVerify(audit: Command, act: Act): void {
  const command = withVerifyOptions(
    withPlaceOptions(
      audit.command('verify').description('verify an audit log from its files alone, or say what is wrong with it'),
    ),
  )
    .option('--out <file>', 'write the report there too, as JSON')
    .option('--sign <key>', 'sign what --out writes, into <file>.jws: a key file, or kms:<key>')
    .addHelpText(
      'after',
      '\nNeeds no running service, and for files no network. Ends with 6 when the log does not verify.',
    )
    .action(
      act((invocation, dir, options) => auditVerify(invocation, dir as string | undefined, options as VerifyOptions)),
    )
  examples(
    command,
    'writ audit verify',
    {
      run: 'writ audit verify /mnt/copy --trust auditor/enrolment.json --json',
      what: 'a copy, with the pins that the auditor was given',
    },
    {
      run: 'writ audit verify s3://evidence/plane-1 --trust enrolment.json --known-checkpoint june --out report.json --sign auditor.jwk',
      what: 'the bucket itself with its locks, against a checkpoint kept elsewhere, as a signed report',
    },
  )
}

function withVerifyOptions(command: Command): Command {
  return command
    .option(
      '--checkpoint, --known-checkpoint <file>',
      'a checkpoint kept from earlier, or from elsewhere: the log must go on from it; repeatable',
      list,
    )
    .option(
      '--policy <file>',
      'a witness policy (C2SP tlog-policy): its quorum must have cosigned the newest checkpoint',
    )
    .option('--complete', 'nothing is on its way into the log: its newest effects must have their evidence too')
    .option('--no-locks', 'in a bucket: do not ask how objects are locked, for who may only read them')
    .option(
      '--retention-days <n>',
      'in a bucket: objects must have been locked for so many days when stored',
      atLeastOne,
    )
}

function addTail(audit: Command, act: Act): void {
  const command = withPlaceOptions(
    audit.command('tail').description('the last events of the log, a line each, verified before they are shown'),
  )
    .option('-n, --lines <n>', 'how many of the last', wholeNumber, 20)
    .option('-f, --follow', 'then those that come, as they are sealed, until Ctrl-C')
    .action(act((invocation, dir, options) => auditTail(invocation, dir as string | undefined, options as TailOptions)))
  examples(
    command,
    { run: 'writ audit tail --follow', what: 'live' },
    { run: 'writ audit tail -f --open', what: 'with the sealed documents opened' },
    { run: 'writ audit tail -f --json | jq -r .event.type', what: 'one JSON document a line' },
  )
}

function withSearchOptions(command: Command, limit: number): Command {
  const instant = (end: boolean) => (text: string) => instantOf(text, Date.now(), end)
  return withPlaceOptions(command)
    .option('--intent <id>', 'one intent: its id or its digest')
    .option('--agent <id>', 'all of an agent’s')
    .option('--device <id>', 'all about a device; intents that came to nothing only where they can be opened')
    .option('--token <id>', 'the intent that a token was issued for, and what came of it')
    .option('--from <time>', 'from then on: 2026-11-24, 2026-11-24T22:00Z, or 30m, 2h, 7d ago', instant(false))
    .option('--to <time>', 'until before then; a date alone is its whole day', instant(true))
    .option('--bundle <file>', 'a policy bundle to decide recorded decisions again with; repeatable', list)
    .option('--limit <n>', 'the last intents, and the last other entries, of more than this many', atLeastOne, limit)
}

function addTrace(audit: Command, act: Act): void {
  const command = withSearchOptions(
    audit
      .command('trace')
      .description('what the log holds about an intent, an agent, a device, a token or a time, each entry verified'),
    100,
  )
    .option('--proofs <dir>', 'write of each entry its bytes and its inclusion proof (C2SP tlog-proof)')
    .addHelpText(
      'after',
      '\nWhere documents are opened, each decision is decided again: by the bundles of --bundle and, with --open, those of the plane.' +
        '\nEnds with 6 when anything shown is not verified, or is decided otherwise now.',
    )
    .action(
      act((invocation, dir, options) => auditTrace(invocation, dir as string | undefined, options as TraceOptions)),
    )
  examples(
    command,
    { run: 'writ audit trace --intent 5f2c6c1e-… --open', what: 'from who asked to what came back' },
    'writ audit trace --agent maintenance --from 2h',
    'writ audit trace /mnt/copy --trust pins.json --subject-keys keys.json --device press-07 --json',
  )
}

function addShow(audit: Command, act: Act): void {
  const command = withPlaceOptions(
    audit
      .command('show')
      .argument('<index>', 'which leaf of the log', wholeNumber)
      .description('one entry of the log with everything in it, verified before it is shown'),
  )
    .option('--proof <file>', 'write its inclusion proof (C2SP tlog-proof), for any tool that knows transparency logs')
    .option('--entry <file>', 'write the entry’s bytes, which the proof is about')
    .action(
      act((invocation, index, dir, options) =>
        auditShow(invocation, index as number, dir as string | undefined, options as ShowOptions),
      ),
    )
  examples(command, 'writ audit show 33 --open', {
    run: 'writ audit show 33 --proof 33.tlog-proof --entry 33.jws',
    what: 'to hand one event to somebody else',
  })
}

function addReport(audit: Command, act: Act): void {
  const command = withVerifyOptions(
    withSearchOptions(
      audit
        .command('report')
        .description('verify the log and tell its intents in one HTML file, with proofs, for a browser or paper')
        .requiredOption('--html <file>', 'where to; its mode is 0600'),
      500,
    ),
  )
    .addHelpText('after', '\nThe file needs no server and fetches nothing. Ends with 6 when the log does not verify.')
    .action(
      act((invocation, dir, options) => auditReport(invocation, dir as string | undefined, options as ReportOptions)),
    )
  examples(command, 'writ audit report --html november.html --from 2026-11-01 --to 2026-11-30', {
    run: 'writ audit report --html intent.html --intent 5f2c6c1e-… --open',
    what: 'with names, purposes and results',
  })
}

function addCheckReport(audit: Command, act: Act): void {
  const command = audit
    .command('check-report')
    .argument('<file>', 'a report that `writ audit verify --sign` wrote')
    .description('check who signed a verification report, and say what it says')
    .option('--signature <file>', 'its detached JWS (default: <file>.jws)')
    .option(
      '--signer <file>',
      'public key (JWK) of who may have signed it, repeatable (default: pinned operators)',
      list,
    )
    .option('--trust <file>', 'pinned operators: an enrolment package, or its `trust` (default: the context’s)')
    .addHelpText(
      'after',
      '\nEnds with 6 when the signature does not verify, and when the report says that the log does not.',
    )
    .action(
      act((invocation, file, options) => auditCheckReport(invocation, file as string, options as CheckReportOptions)),
    )
  examples(command, 'writ audit check-report report.json --signer auditor-public.jwk')
}

function addCheckProof(audit: Command, act: Act): void {
  const command = audit
    .command('check-proof')
    .argument('<file>', 'a C2SP tlog-proof, as `writ audit show` and `writ audit trace` write them')
    .description('check that an entry stands in a log: from two files and the log’s pinned key, without the log')
    .option('--entry <file>', 'the entry’s bytes (default: <file> with .entry in place of .tlog-proof)')
    .option('--vkey <vkey>', 'pinned key of the log, repeatable (default: the trust file’s, else the context’s)', list)
    .option('--trust <file>', 'an enrolment package that pins it, or its `trust` (default: the context’s)')
    .addHelpText('after', '\nEnds with 6 when the proof does not hold.')
    .action(
      act((invocation, file, options) => auditCheckProof(invocation, file as string, options as CheckProofOptions)),
    )
  examples(command, 'writ audit check-proof 33.tlog-proof --entry 33.jws --trust enrolment.json')
}

function addKeys(audit: Command, act: Act): void {
  const command = audit
    .command('keys')
    .description('write the keys that open sealed documents to a file: whoever has it reads them all')
    .requiredOption('--out <file>', 'where to; its mode is 0600')
    .action(act((invocation, options) => keys(invocation, (options as { readonly out: string }).out)))
  examples(command, 'writ audit keys --out auditor/keys.json')
}

async function keys(invocation: Invocation, file: string): Promise<void> {
  const found = await subjectKeysOfPlane(invocation)
  await writeSubjectKeysFile(resolve(file), found)
  invocation.out.result({ ok: true, keys: found.length, file: resolve(file) }, [
    `${found.length} keys written to ${resolve(file)}; keep them as you would keep what they open`,
  ])
}
