import { resolve } from 'node:path'
import { writeSubjectKeysFile } from '@writ/audit'
import { connectStore, readSubjectKeys } from '@writ/plane'
import type { Command } from 'commander'
import { openContext, planeOf } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { list } from '../options.ts'
import type { Act, Invocation } from '../program.ts'
import { linesOfVerification, type VerifyAuditOptions, verifyAudit } from './verify-audit.ts'

/** `writ audit verify [DIR]`, `writ audit keys` */
export function addAuditCommands(program: Command, act: Act): void {
  const audit = program.command('audit').description('Read and verify the evidence.')
  audit
    .command('verify')
    .description('verify an audit log from its files alone, or say what is wrong with it')
    .argument('[dir]', 'the store’s folder or a copy of it (default: the local plane’s)')
    .option(
      '--vkey <vkey>',
      'pinned key of the log, repeatable (default: the trust file’s, else the local plane’s)',
      list,
    )
    .option(
      '--trust <file>',
      'pinned operators and anchors: an enrolment package, or its `trust` (default: the local plane’s)',
    )
    .option('--subject-keys <file>', 'keys that open sealed documents: see `writ audit keys`')
    .option('--checkpoint <file>', 'a checkpoint kept from earlier: the log must go on from it; repeatable', list)
    .option('--origin <origin>', 'which log (default: the newest that the key speaks for)')
    .option('--complete', 'nothing is on its way into the log: its newest effects must have their evidence too')
    .addHelpText(
      'after',
      '\nNeeds no network and no running service. Ends with 6 when the log does not verify.\nExamples:\n  writ audit verify\n  writ audit verify /mnt/copy --trust auditor/enrolment.json --json',
    )
    .action(
      act((invocation, dir, options) => verify(invocation, dir as string | undefined, options as VerifyAuditOptions)),
    )
  audit
    .command('keys')
    .description('write the keys that open sealed documents to a file: whoever has it reads them all')
    .requiredOption('--out <file>', 'where to; its mode is 0600')
    .action(act((invocation, options) => keys(invocation, (options as { readonly out: string }).out)))
}

async function verify(
  { out, home, fail }: Invocation,
  dir: string | undefined,
  options: VerifyAuditOptions,
): Promise<void> {
  const found = await verifyAudit(home, dir, options)
  out.result(found, linesOfVerification(found))
  if (!found.ok) fail(EXIT.notVerified)
}

async function keys({ out, home }: Invocation, file: string): Promise<void> {
  const plane = await planeOf(await openContext(home))
  const store = await connectStore(plane)
  try {
    const found = await readSubjectKeys(plane, store)
    await writeSubjectKeysFile(resolve(file), found)
    out.result({ ok: true, keys: found.length, file: resolve(file) }, [
      `${found.length} keys written to ${resolve(file)}; keep them as you would keep what they open`,
    ])
  } finally {
    await store.close()
  }
}
