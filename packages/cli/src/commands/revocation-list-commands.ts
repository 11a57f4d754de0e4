import type { Command } from 'commander'
import { operatorSession } from '../context.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { controlHistory, listRevocations } from '../revocations/list-revocations.ts'
import { styled } from '../terminal/style.ts'
import { timeText } from '../terminal/time-text.ts'

interface Options {
  readonly all?: boolean
  readonly as?: string
}

/** `writ revocation list` */
export function addRevocationList(program: Command, act: Act): void {
  const group = program.command('revocation').description('What operators have withdrawn.')
  const command = group
    .command('list')
    .alias('ls')
    .description('revokes that stand, with the sequence that `lift` takes')
    .option('--all', 'every control message in order, lifted and void ones too')
    .option('--as <dir>', 'enrolment package of the operator who asks (default: the context’s)')
    .action(
      act((invocation, options) =>
        (options as Options).all === true
          ? all(invocation, options as Options)
          : standing(invocation, options as Options),
      ),
    )
  examples(command, 'writ revocation list', { run: 'writ revocation list --all', what: 'the whole of CONTROL' })
}

async function standing(invocation: Invocation, { as }: Options): Promise<void> {
  await using session = await operatorSession(await invocation.context(), as)
  const items = await listRevocations(session)
  invocation.out.table(
    { ok: true, items },
    {
      columns: [
        { title: 'SEQ', align: 'right' },
        { title: 'SCOPE' },
        { title: 'ID', shrinks: true },
        { title: 'KIND' },
        { title: 'SINCE' },
        { title: 'BY' },
        { title: 'REASON', shrinks: true },
      ],
      rows: items.map(({ seq, scope, id = '', quarantine, at, signed_by, reason }) => [
        styled('bold', String(seq)),
        scope,
        id,
        quarantine ? styled('red', 'quarantine') : styled('yellow', 'revoke'),
        timeText(at),
        signed_by,
        reason,
      ]),
      none: 'Nothing is revoked.',
    },
  )
}

async function all(invocation: Invocation, { as }: Options): Promise<void> {
  const context = await invocation.context()
  await using session = await operatorSession(context, as)
  const items = await controlHistory(session, as ?? context.enrolment)
  invocation.out.table(
    { ok: true, items },
    {
      columns: [
        { title: 'SEQ', align: 'right' },
        { title: 'WHAT' },
        { title: 'NAMES', shrinks: true },
        { title: 'AT' },
        { title: 'BY' },
        { title: 'REASON', shrinks: true },
      ],
      rows: items.map(({ seq, what, names, at, signed_by = '', reason }) => [
        String(seq),
        what === 'void' ? styled('red', what) : what,
        names,
        at === undefined ? '' : timeText(at),
        signed_by,
        reason,
      ]),
      none: 'CONTROL is empty.',
    },
  )
}
