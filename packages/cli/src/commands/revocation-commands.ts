import { Fault, REVOKE_SCOPES } from '@writ/contracts'
import { Argument, type Command } from 'commander'
import { openContext, operatorSession } from '../context.ts'
import type { ControlWord } from '../operator/control.ts'
import { spreadControl } from '../operator/revoke.ts'
import { wholeNumber } from '../options.ts'
import type { Act, Invocation } from '../program.ts'

interface Options {
  readonly reason: string
  readonly quarantine?: boolean
  readonly as?: string
}

/** `writ revoke SCOPE [ID]`, `writ lift SEQ` */
export function addRevocationCommands(program: Command, act: Act): void {
  program
    .command('revoke')
    .description('withdraw authority: it stands until it is lifted')
    .addArgument(new Argument('<scope>', 'what is named').choices(REVOKE_SCOPES))
    .argument('[id]', 'its id; none for all')
    .option('--reason <text>', 'why', 'Revoked with the command line.')
    .option('--quarantine', 'say quarantined instead of revoked')
    .option('--as <dir>', 'enrolment package of the operator who signs')
    .addHelpText(
      'after',
      '\nExamples:\n  writ revoke agent maintenance --reason "Key left on a laptop."\n  writ revoke all',
    )
    .action(
      act((invocation, scope, id, options) =>
        revoke(invocation, String(scope), id as string | undefined, options as Options),
      ),
    )
  program
    .command('lift <sequence>')
    .description('lift a revoke, by the sequence that `revoke` printed; older tokens stay dead')
    .option('--reason <text>', 'why', 'Lifted with the command line.')
    .option('--as <dir>', 'enrolment package of the operator who signs')
    .action(
      act((invocation, sequence, options) =>
        say(invocation, { command: 'lift', lifts: wholeNumber(String(sequence)) }, options as Options),
      ),
    )
}

async function revoke(invocation: Invocation, scope: string, id: string | undefined, options: Options): Promise<void> {
  if ((scope === 'all') !== (id === undefined)) {
    throw new Fault('malformed', {
      message: scope === 'all' ? '`revoke all` takes no id.' : `\`revoke ${scope}\` wants an id.`,
    })
  }
  const word: ControlWord = {
    command: 'revoke',
    scope,
    ...(id !== undefined && { id }),
    ...(options.quarantine === true && { quarantine: true }),
  }
  await say(invocation, word, options)
}

async function say({ out, home }: Invocation, word: ControlWord, { reason, as }: Options): Promise<void> {
  await using session = await operatorSession(await openContext(home), as)
  const spread = await spreadControl(session, word, reason, (seq, by) => {
    out.note(`recorded as control message ${seq}; effective everywhere by ${by.toLocaleTimeString()}`)
  })
  const { seq, effectiveBy, confirmed, gateways, running } = spread
  out.result({ ok: true, seq, effective_by: effectiveBy.toISOString(), confirmed, gateways, running }, [
    `${confirmed.length} of ${gateways.length} gateways confirmed${running.length === 0 ? '; nothing it names still runs' : ''}`,
    ...running.map((step) => `  still running: ${step}`),
  ])
}
