import { resolve } from 'node:path'
import { type Everything, EvidenceLog, type ReadEvent, readEverything, type Wanted } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { type Command, Option } from 'commander'
import { withAdvice } from '../advice.ts'
import { EXIT } from '../exit-codes.ts'
import { COLUMNS, type EventRow, type NameOf, rowsOf } from '../export/event-row.ts'
import { namesIn } from '../export/user-names.ts'
import { writeLines, writeWhole } from '../export/whole-file.ts'
import { writeParquet } from '../export/write-parquet.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { type Line, styled } from '../terminal/style.ts'
import { instantOf } from './audit-instant.ts'
import { advised, evidencePlace, type PlaceOptions, withPlaceOptions } from './audit-place.ts'
import { progressOf } from './audit-progress.ts'
import { passedOver } from './audit-traced.ts'

const EXPORT_FORMATS = ['ndjson', 'parquet'] as const

interface ExportOptions extends PlaceOptions {
  readonly out: string
  readonly format: (typeof EXPORT_FORMATS)[number]
  readonly intent?: string
  readonly agent?: string
  readonly device?: string
  readonly from?: number
  readonly to?: number
  readonly userIds?: boolean
}

/** What was written. */
interface Counts {
  rows: number
  /** Rows of entries that are not verified. */
  doubtful: number
}

/** `writ audit export` */
export function addExportCommand(audit: Command, act: Act): void {
  const instant = (end: boolean) => (text: string) => instantOf(text, Date.now(), end)
  const command = withPlaceOptions(
    audit.command('export').description('every event of the logs as a row, for your own tools, each verified'),
  )
    .requiredOption('--out <file>', 'where to; its mode is 0600')
    .addOption(new Option('--format <format>', 'how').choices(EXPORT_FORMATS).default('ndjson'))
    .option('--intent <id>', 'of one intent: its id or its digest')
    .option('--agent <id>', 'of an agent')
    .option('--device <id>', 'about a device')
    .option('--from <time>', 'from then on: 2026-11-24, 2026-11-24T22:00Z, or 30m, 2h, 7d ago', instant(false))
    .option('--to <time>', 'until before then; a date alone is its whole day', instant(true))
    .option('--user-ids', 'users’ ids in place of pseudonyms, where keys open the intents that say them')
    .addHelpText(
      'after',
      `
Columns: ${COLUMNS.map(([name]) => name).join(', ')}.
user_id is a pseudonym unless --user-ids is given. What does not verify is exported with verified = false and the reason in doubts; then the command ends with 6.`,
    )
    .action(
      act((invocation, dir, options) => auditExport(invocation, dir as string | undefined, options as ExportOptions)),
    )
  examples(command, 'writ audit export --format parquet --out november.parquet --from 2026-11-01 --to 2026-11-30', {
    run: 'writ audit export /mnt/copy --trust pins.json --out events.ndjson',
    what: 'from a copy, with the pins that the auditor was given',
  })
}

/**
 * `writ audit export [DIR] --out FILE`: each event of the logs as a row, with where it lies. Only what stands under a signed checkpoint is read; what does
 * not verify is exported as such, and the command ends with 6. Memory does not grow with the log.
 */
async function auditExport(invocation: Invocation, dir: string | undefined, options: ExportOptions): Promise<void> {
  const { out, fail } = invocation
  if (options.userIds === true && options.open !== true && options.subjectKeys === undefined)
    throw withAdvice(
      new Fault('malformed', { message: 'Who users are stands in sealed documents alone.' }),
      'Add --open or --subject-keys FILE.',
    )
  const place = await evidencePlace(invocation, dir, options)
  const log = await advised(EvidenceLog.open(place))
  const everything = await readEverything(log, place, progressOf(out, 'reading'))
  const nameOf: NameOf =
    options.userIds === true
      ? await namesIn(everything, progressOf(out, 'looking for names'))
      : (pseudonym) => pseudonym
  const counts: Counts = { rows: 0, doubtful: 0 }
  const rows = exported(invocation, everything, options, nameOf, counts)
  const facts = { checkpoints: JSON.stringify(log.logs.map(({ checkpoint }) => checkpoint)) }
  await writeWhole(options.out, (partial, handle) =>
    options.format === 'parquet' ? writeParquet(partial, rows, facts) : writeLines(handle, rows),
  )
  out.progress()
  const { missing, gaps, whole } = everything
  const over = passedOver({ missing, gaps, whole })
  const ok = counts.doubtful === 0 && over.length === 0
  const value = {
    ok,
    file: resolve(options.out),
    format: options.format,
    rows: counts.rows,
    not_verified: counts.doubtful,
    unreadable_entries: missing,
    epoch_gaps: gaps,
    whole,
    logs: log.logs.map(({ origin, size, root }) => ({ origin, size, root: Buffer.from(root).toString('base64') })),
  }
  out.result(value, [...linesOf(options, counts, log), ...over.map(notVerified)])
  if (!ok) fail(EXIT.notVerified)
}

function linesOf({ out, format }: ExportOptions, { rows, doubtful }: Counts, { logs }: EvidenceLog): readonly Line[] {
  const of = logs.map(({ origin, size }) => `${origin} (${size} entries)`).join(' and ')
  return [
    `${rows} rows written to ${resolve(out)} (${format}), of ${of}`,
    ...(doubtful === 0
      ? [[styled('green', '✓ each stands under the signed checkpoint and is signed by its source')] as Line]
      : [notVerified(`${doubtful} rows, where the column verified is false and doubts says why.`)]),
  ]
}

function notVerified(what: string): Line {
  return [styled('red', `✗ NOT VERIFIED: ${what}`)]
}

async function* exported(
  { out }: Invocation,
  everything: Everything,
  options: ExportOptions,
  nameOf: NameOf,
  counts: Counts,
): AsyncGenerator<EventRow> {
  const filtered = FILTERS.some((name) => options[name] !== undefined)
  const wanted: Wanted = (_, seen) => seen?.events.some((event) => fits(event, options)) === true
  const entries = everything.entries(filtered ? wanted : undefined, progressOf(out, 'exporting'))
  for await (const entry of entries) {
    // Of what is not there nobody knows whether it fits: it is counted as missing. What is no audit message says itself that it does.
    if (filtered && entry.entry === undefined) continue
    for (const row of rowsOf(entry, (read) => fits(read.event, options), nameOf)) {
      counts.rows += 1
      if (row.verified === false) counts.doubtful += 1
      yield row
    }
  }
}

const FILTERS = ['intent', 'agent', 'device', 'from', 'to'] as const

function fits(
  event: Partial<Pick<ReadEvent['event'], 'intent_id' | 'intent_digest' | 'agent_id' | 'device_id' | 'timestamp'>>,
  { intent, agent, device, from, to }: ExportOptions,
): boolean {
  const at = Date.parse(event.timestamp ?? '')
  return (
    (intent === undefined || event.intent_id === intent || event.intent_digest === intent) &&
    (agent === undefined || event.agent_id === agent) &&
    (device === undefined || event.device_id === device) &&
    (from === undefined || at >= from) &&
    (to === undefined || at < to)
  )
}
