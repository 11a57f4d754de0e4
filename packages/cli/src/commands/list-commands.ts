import type { RecordOf } from '@writ/contracts'
import type { Command } from 'commander'
import { operatorSession } from '../context.ts'
import { examples } from '../help.ts'
import type { Identified } from '../identities/kinds.ts'
import { listIdentities } from '../identities/list-identities.ts'
import { type FiledVersion, type ShownIdentity, showIdentity } from '../identities/show-identity.ts'
import type { Standing } from '../identities/standing-revokes.ts'
import type { Act, Invocation } from '../invocation.ts'
import { type Line, type Piece, type Style, styled } from '../terminal/style.ts'
import { type Column, tableLines } from '../terminal/table.ts'
import { timeText } from '../terminal/time-text.ts'

/** What a record says, a column each. */
const COLUMNS: { readonly [K in Identified]: readonly (readonly [string, (record: RecordOf<K>) => string])[] } = {
  agent: [
    ['USERS', ({ users }) => users.join(', ')],
    ['ACTIONS', ({ actions }) => actions.join(', ')],
    ['GROUPS', ({ groups }) => groups.join(', ')],
  ],
  gateway: [['JURISDICTION', ({ jurisdiction }) => jurisdiction]],
  device: [
    ['GATEWAY', ({ gateway_id }) => gateway_id ?? '–'],
    ['GROUP', ({ group }) => group],
    ['ACTIONS', ({ actions }) => actions.join(', ')],
    ['FLOORS', ({ floors = {} }) => Object.keys(floors).join(', ') || '–'],
  ],
  approver: [
    ['USER', ({ user }) => user],
    ['ROLES', ({ roles }) => roles.join(', ')],
  ],
  operator: [['USER', ({ user }) => user]],
}

export function addListCommand(group: Command, act: Act, kind: Identified): void {
  const command = group
    .command('list')
    .alias('ls')
    .description(`${kind}s that are registered, from the signed records`)
    .option('--all', 'removed ones too')
    .option('--as <dir>', 'enrolment package of the operator who asks (default: the context’s)')
    .action(act((invocation, options) => list(invocation, kind, options as ListOptions)))
  examples(command, `writ ${kind} list`, {
    run: `writ ${kind} list --json | jq -r '.items[].id'`,
    what: 'ids for a script',
  })
}

interface ListOptions {
  readonly all?: boolean
  readonly as?: string
}

async function list(invocation: Invocation, kind: Identified, { all = false, as }: ListOptions): Promise<void> {
  await using session = await operatorSession(await invocation.context(), as)
  const items = await listIdentities(session, kind, all)
  const more = COLUMNS[kind] as readonly (readonly [string, (record: RecordOf<Identified>) => string])[]
  invocation.out.table(
    { ok: true, items },
    {
      columns: [
        { title: 'ID' },
        { title: 'STATE' },
        { title: 'VERSION', align: 'right' },
        ...more.map(([title]): Column => ({ title, shrinks: true })),
      ],
      rows: items.map(({ id, state, version, record }) => [
        styled('bold', id),
        stateOf(state),
        String(version),
        ...more.map(([, read]) => (record === null ? '–' : read(record))),
      ]),
      none: `No ${kind} is registered. \`writ ${kind} create --help\` shows how.`,
    },
  )
}

const STYLES: Readonly<Record<Standing, Style>> = {
  active: 'green',
  suspended: 'yellow',
  quarantined: 'red',
  removed: 'dim',
}

export function stateOf(state: Standing): Piece {
  return styled(STYLES[state], state)
}

export function addShowCommand(group: Command, act: Act, kind: Identified): void {
  const command = group
    .command('show <id>')
    .description('its record in force, what stands against it, and every version that was filed')
    .option('--as <dir>', 'enrolment package of the operator who asks (default: the context’s)')
    .action(
      act(async (invocation, id, options) => {
        await using session = await operatorSession(await invocation.context(), (options as ListOptions).as)
        const shown = await showIdentity(session, kind, String(id))
        invocation.out.result({ ok: true, ...shown }, linesOf(shown))
      }),
    )
  examples(command, `writ ${kind} show ${EXAMPLE_IDS[kind]}`)
}

export const EXAMPLE_IDS: Readonly<Record<Identified, string>> = {
  agent: 'maintenance',
  gateway: 'gw-press-hall',
  device: 'press-07',
  approver: 'marta',
  operator: 'deputy',
}

function linesOf({ kind, id, version, state, record, keys, revokes, pinned, history }: ShownIdentity): readonly Line[] {
  const field = (name: string, value: string): Line => [styled('dim', `  ${name.padEnd(14)}`), value]
  const more = COLUMNS[kind] as readonly (readonly [string, (record: RecordOf<Identified>) => string])[]
  return [
    [`${kind} `, styled('bold', id), '  ', stateOf(state)],
    field('version', String(version)),
    ...(pinned === true ? [field('pinned', 'yes: a root operator')] : []),
    ...(record === null ? [] : more.map(([title, read]) => field(title.toLowerCase(), read(record)))),
    ...keys.map((kid) => field('key', kid)),
    ...revokes.map((seq) => field('revoked by', `control message ${seq}; \`writ lift ${seq}\` ends it`)),
    '',
    ...historyOf(history),
  ]
}

function historyOf(history: readonly FiledVersion[]): readonly Line[] {
  const columns = [
    { title: 'VERSION', align: 'right' as const },
    { title: 'FILED' },
    { title: 'BY' },
    { title: 'WHAT' },
    { title: 'REASON' },
  ]
  return tableLines(
    columns,
    history.map(({ version, filed_at, signed_by, removes, reason, valid }) => [
      String(version),
      timeText(filed_at),
      signed_by.join(', '),
      valid ? (removes ? 'removed' : version === 1 ? 'created' : 'replaced') : styled('red', 'void'),
      reason,
    ]),
  )
}
