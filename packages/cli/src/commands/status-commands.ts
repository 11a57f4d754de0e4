import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import type { Backlog } from '../status/backlog.ts'
import { HEAR_WITHIN_MS } from '../status/hear-gateways.ts'
import { type Heads, type PlaneStatus, planeStatus } from '../status/plane-status.ts'
import { type Line, type Piece, type Style, styled } from '../terminal/style.ts'
import { tableLines } from '../terminal/table.ts'

/** `writ status` */
export function addStatusCommands(program: Command, act: Act): void {
  const command = program
    .command('status')
    .description('how everything is: services, gateways, heads, backlog, age of the last seal')
    .option('--fast', 'do not listen for gateways, who speak every 10 s')
    .action(act((invocation, options) => status(invocation, (options as { fast?: boolean }).fast === true)))
  examples(
    command,
    'writ status',
    { run: 'writ status --fast', what: 'at once, without the gateways' },
    { run: "writ status --json | jq -r '.problems[]'", what: 'for a monitor: ends with 4 unless all is well' },
  )
}

async function status(invocation: Invocation, fast: boolean): Promise<void> {
  const context = await invocation.context()
  if (!fast) invocation.out.progress('Listening for gateways …')
  const found = await planeStatus(context, fast ? 0 : HEAR_WITHIN_MS)
  const shown = fast ? withoutGateways(found) : found
  invocation.out.progress()
  invocation.out.result(shown, linesOf(shown))
  if (!shown.ok) invocation.fail(EXIT.unavailable)
}

/** Nobody listened, so silence says nothing. */
function withoutGateways(found: PlaneStatus): PlaneStatus {
  const silent = new Set(
    found.gateways.filter(({ state }) => state === 'silent').map(({ id }) => `The gateway ${id} is silent.`),
  )
  const problems = found.problems.filter((problem) => !silent.has(problem))
  return { ...found, gateways: [], problems, ok: problems.length === 0 }
}

const STYLES: Readonly<Record<string, Style>> = {
  ready: 'green',
  confirmed: 'green',
  'not ready': 'yellow',
  behind: 'yellow',
  silent: 'red',
  down: 'red',
}

function stateOf(state: string): Piece {
  const style = STYLES[state]
  return style === undefined ? state : styled(style, state)
}

function linesOf(found: PlaneStatus): readonly Line[] {
  const { ok, region, context, as, services, gateways, heads, backlog, store, problems, not_asked, nats } = found
  const { legal_holds = [] } = found
  const well = not_asked.length === 0 ? 'all is well' : 'well, as far as was asked'
  return [
    ['plane ', styled('bold', region), '  ', ok ? styled('green', well) : styled('red', 'not well')],
    [styled('dim', `context ${context}, as ${as}, NATS at ${nats.url}`)],
    '',
    ...(services.length === 0
      ? []
      : tableLines(
          [{ title: 'SERVICE' }, { title: 'STATE' }, { title: 'SAYS', shrinks: true }],
          services.map(({ name, state, problems: said }) => [name, stateOf(state), said.join('; ')]),
        )),
    ...(services.length === 0 ? [] : ['']),
    ...(gateways.length === 0
      ? []
      : [
          ...tableLines(
            [{ title: 'GATEWAY' }, { title: 'STATE' }, { title: 'CONTROL', align: 'right' }],
            gateways.map(({ id, state, seq }) => [id, stateOf(state), seq === undefined ? '–' : String(seq)]),
          ),
          '',
        ]),
    ...headLines(heads),
    ...backlogLines(backlog),
    ...storeLines(store),
    ...(legal_holds.length === 0
      ? []
      : [field('hold', `${legal_holds.join(', ')} under legal hold: writ audit holds`)]),
    ...(not_asked.length === 0 ? [] : ['', ...not_asked.map((what): Line => [styled('yellow', '? '), what])]),
    ...(ok ? [] : ['', ...problems.map((problem): Line => [styled('red', '! '), problem])]),
  ]
}

const field = (name: string, value: string): Line => [styled('dim', name.padEnd(9)), value]

function headLines(heads: Heads | undefined): readonly Line[] {
  if (heads === undefined) return []
  const { control, policy, records } = heads
  const counts = Object.entries(records).map(([kind, count]) => `${count} ${kind}${count === 1 ? '' : 's'}`)
  return [
    field(
      'control',
      `message ${control.seq} of ${control.stream ?? 'no stream'}; ${control.standing} ${control.standing === 1 ? 'revoke stands' : 'revokes stand'}`,
    ),
    field(
      'policy',
      policy === undefined
        ? 'none in force'
        : `version ${policy.version}, ${policy.revision}, bundle ${policy.bundle_sha256}`,
    ),
    field('records', counts.join(', ')),
  ]
}

function storeLines(store: PlaneStatus['store']): readonly Line[] {
  if (store === undefined) return []
  if (store.proven) return [field('store', 'passed every check of its self-test')]
  const said =
    store.failed.includes('directory') && store.failed.length === 1
      ? 'a directory: not write-once against its owner'
      : `fails its self-test: ${store.failed.join(', ')}`
  return [[styled('dim', 'store'.padEnd(9)), styled('yellow', said)]]
}

function backlogLines(backlog: Backlog): readonly Line[] {
  const { log_entries, seal_age_s, oldest_unsealed_s, intents_open, audit_uncovered, tick_age_s } = backlog
  const part = (value: number | undefined, say: (value: number) => string) => (value === undefined ? [] : [say(value)])
  const log = [
    ...part(log_entries, (count) => `${count} entries`),
    ...part(seal_age_s, (seconds) => `sealed ${seconds} s ago`),
    ...part(oldest_unsealed_s, (seconds) =>
      seconds === 0 ? 'nothing waits for its seal' : `oldest waits ${Math.round(seconds)} s`,
    ),
  ]
  const work = [
    ...part(intents_open, (count) => `${count} intents open`),
    ...part(audit_uncovered, (count) => `${count} audit messages not sealed`),
    ...part(tick_age_s, (seconds) => `last tick ${seconds.toFixed(1)} s ago`),
  ]
  return [
    ...(log.length === 0 ? [] : [field('log', log.join(', '))]),
    ...(work.length === 0 ? [] : [field('backlog', work.join(', '))]),
  ]
}
