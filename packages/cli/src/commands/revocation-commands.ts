import type { Session } from '@writ/agent-sdk'
import type { StandingRevoke } from '@writ/authority'
import { Fault, REVOKE_SCOPES } from '@writ/contracts'
import { Argument, type Command } from 'commander'
import { openContext, operatorSession } from '../context.ts'
import type { ControlWord } from '../operator/control.ts'
import { type Spread, spreadControl } from '../operator/revoke.ts'
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
    .command('lift')
    .description('lift a revoke; tokens from before it stay dead')
    .argument('<what>', 'the sequence that `revoke` printed, or a scope')
    .argument('[id]', 'with a scope: lifts every standing revoke of that id')
    .option('--reason <text>', 'why', 'Lifted with the command line.')
    .option('--as <dir>', 'enrolment package of the operator who signs')
    .addHelpText('after', '\nExamples:\n  writ lift 7\n  writ lift agent maintenance')
    .action(
      act((invocation, what, id, options) =>
        lift(invocation, String(what), id as string | undefined, options as Options),
      ),
    )
}

async function revoke(invocation: Invocation, scope: string, id: string | undefined, options: Options): Promise<void> {
  checkNamed(scope, id)
  const word: ControlWord = {
    command: 'revoke',
    scope,
    ...(scope !== 'all' && id !== undefined && { id }),
    ...(options.quarantine === true && { quarantine: true }),
  }
  await using session = await operatorSession(await openContext(invocation.home), options.as)
  say(invocation, await spread(invocation, session, word, options.reason))
}

/** `all` has no id, every other scope has one. */
function checkNamed(scope: string, id: string | undefined): void {
  if (scope !== 'all' && id === undefined) throw new Fault('malformed', { message: `\`${scope}\` wants an id.` })
  if (scope === 'all' && id !== undefined && id !== 'all')
    throw new Fault('malformed', { message: '`all` takes no id.' })
}

async function lift(invocation: Invocation, what: string, id: string | undefined, options: Options): Promise<void> {
  await using session = await operatorSession(await openContext(invocation.home), options.as)
  await session.reader.control()
  const { standing } = session.authority.control
  const lifted = /^[0-9]+$/.test(what) ? standing.filter(({ seq }) => seq === Number(what)) : named(standing, what, id)
  if (lifted.length === 0)
    throw new Fault('malformed', { message: `No standing revoke is ${[what, id].filter(Boolean).join(' ')}.` })
  for (const { seq } of lifted) {
    say(invocation, await spread(invocation, session, { command: 'lift', lifts: seq }, options.reason))
  }
}

function named(standing: readonly StandingRevoke[], scope: string, id: string | undefined): readonly StandingRevoke[] {
  checkNamed(scope, id)
  return standing.filter(({ revoke }) => revoke.scope === scope && (scope === 'all' || revoke.id === id))
}

function spread({ out }: Invocation, session: Session, word: ControlWord, reason: string): Promise<Spread> {
  return spreadControl(session, word, reason, (seq, by) => {
    out.note(`recorded as control message ${seq}; effective everywhere by ${by.toLocaleTimeString()}`)
  })
}

function say({ out }: Invocation, { seq, effectiveBy, confirmed, gateways, running }: Spread): void {
  out.result({ ok: true, seq, effective_by: effectiveBy.toISOString(), confirmed, gateways, running }, [
    `${confirmed.length} of ${gateways.length} gateways confirmed${running.length === 0 ? '; nothing it names still runs' : ''}`,
    ...running.map((step) => `  still running: ${step}`),
  ])
}
