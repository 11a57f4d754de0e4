import { readEnrolment } from '@writ/agent-sdk'
import { Fault } from '@writ/contracts'
import { openSigner, readResidency } from '@writ/keys'
import {
  type CheckResult,
  directoryResults,
  keyFact,
  openS3Client,
  parseS3Url,
  passes,
  testStore,
} from '@writ/worm-store'
import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { type Line, type Style, styled } from '../terminal/style.ts'
import { tableLines } from '../terminal/table.ts'

interface TestOptions {
  readonly residency?: string
  readonly jurisdiction?: string
  readonly retentionDays: string
  readonly logKey?: string
}

/** `writ store test` */
export function addStoreCommands(program: Command, act: Act): void {
  const store = program.command('store').description('What evidence is kept in.')
  const command = store
    .command('test <url>')
    .description('try on a bucket everything that it must refuse, as audit-sink does when it starts')
    .option('--residency <file>', 'the table of what each jurisdiction demands (WRIT_RESIDENCY)')
    .option('--jurisdiction <region>', 'the row of the table (default: the region of the context)')
    .option('--retention-days <days>', 'how long evidence is to be kept', '190')
    .option('--log-key <key>', 'compare this key too: kms:<ARN or alias>, file:<path>')
    .action(act((invocation, url, options) => test(invocation, url as string, options as TestOptions)))
  examples(command, 'writ store test s3://writ-audit-eu/log --residency residency.json --jurisdiction eusc-de-east-1', {
    run: 'AWS_ENDPOINT_URL_S3=https://s3.plant.example writ store test s3://evidence/log --residency residency.json',
    what: 'a server that is not AWS; the table must list it',
  })
  command.addHelpText(
    'after',
    `
Leaves some fourteen small objects under <prefix>/.probe/, locked for a day. Where a bucket lets its versioning be suspended, it is suspended for a moment and
turned on again. Ends with 3 where a check fails, with 4 where the server does not answer.`,
  )
}

async function test(invocation: Invocation, url: string, options: TestOptions): Promise<void> {
  const { out, fail } = invocation
  out.progress(`Testing ${url} …`)
  const results = await look(invocation, url, options)
  out.progress()
  const ok = passes(results)
  out.result({ ok, store: url, checks: results }, [...rowsOf(results), '', verdict(url, results)])
  if (!ok) fail(EXIT.refused)
}

async function look(invocation: Invocation, url: string, options: TestOptions): Promise<readonly CheckResult[]> {
  if (url.startsWith('file:')) return directoryResults()
  const place = parseS3Url(url)
  const retentionDays = Number(options.retentionDays)
  if (!Number.isSafeInteger(retentionDays) || retentionDays < 1)
    throw new Fault('malformed', { message: '--retention-days takes a whole number of days.' })
  const demand = await demandOf(invocation, options)
  const client = await openS3Client()
  try {
    const results = await testStore(client, place, { demand, retentionDays })
    if (options.logKey === undefined) return results
    return [...results, keyFact('log_key', (await openSigner(options.logKey)).kms, demand)]
  } finally {
    client.destroy()
  }
}

async function demandOf({ context }: Invocation, { residency, jurisdiction }: TestOptions) {
  if (residency === undefined) return undefined
  const region = jurisdiction ?? (await readEnrolment((await context()).enrolment)).region
  return (await readResidency(residency)).demandOf(region)
}

const STYLES: Readonly<Record<CheckResult['state'], Style>> = {
  ok: 'green',
  'by policy': 'green',
  failed: 'red',
  'not tried': 'dim',
}

function rowsOf(results: readonly CheckResult[]): readonly Line[] {
  const columns = [{ title: 'CHECK' }, { title: 'STATE' }, { title: 'MUST BE' }, { title: 'IS', shrinks: true }]
  return tableLines(
    columns,
    results.map(({ check, state, expected, observed }) => [check, styled(STYLES[state], state), expected, observed]),
  )
}

function verdict(url: string, results: readonly CheckResult[]): Line {
  if (passes(results)) {
    const byPolicy = results.filter(({ state }) => state === 'by policy').length
    const rest = byPolicy === 0 ? '' : `; ${byPolicy} checks were refused by a policy before the lock was asked`
    return styled('green', `${url} holds what a log needs${rest}.`)
  }
  const failed = results.filter(({ state }) => state === 'failed').map(({ check }) => check)
  return styled('red', `${url} does not hold what a log needs: ${failed.join(', ')}. audit-sink would refuse it.`)
}
