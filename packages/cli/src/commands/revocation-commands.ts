import type { StandingRevoke } from '@writ/authority'
import { Fault, REVOKE_SCOPES, type RevokeScope } from '@writ/contracts'
import { Argument, type Command } from 'commander'
import { withAdvice } from '../advice.ts'
import { operatorSession } from '../context.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import type { ControlWord } from '../operator/control.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { type Spread, spreadControl } from '../operator/revoke.ts'
import { tellingId } from '../privacy/telling-ids.ts'
import { isKnown, type Known, unknownName } from '../revocations/known-name.ts'
import { SUSPENDABLE, type Suspendable, suspensionOf } from '../revocations/suspension.ts'
import { clockText } from '../terminal/time-text.ts'
import { addRevocationList } from './revocation-list-commands.ts'
import { type SigningOptions, signedSession, signing } from './signing-options.ts'

interface Options extends SigningOptions {
  readonly quarantine?: boolean
  /** Files it though no record has that name. */
  readonly force?: boolean
}

/** `writ revoke|lift`, their everyday names `suspend|resume`, `writ revocation list` */
export function addRevocationCommands(program: Command, act: Act): void {
  addRevoke(program, act)
  addLift(program, act)
  addSuspend(program, act)
  addResume(program, act)
  addRevocationList(program, act)
}

function addRevoke(program: Command, act: Act): void {
  const command = signing(
    program
      .command('revoke')
      .description('withdraw authority: it stands until it is lifted')
      .addArgument(new Argument('<scope>', 'what is named').choices(REVOKE_SCOPES))
      .argument('[id]', 'its id; none for all'),
    'Revoked with the command line.',
  )
    .option('--quarantine', 'say quarantined instead of revoked')
    .option('--force', 'file it though no record has that name')
    .action(
      act((invocation, scope, id, options) =>
        revoke(invocation, scope as RevokeScope, id as string | undefined, options as Options),
      ),
    )
  examples(
    command,
    'writ revoke agent maintenance --reason "Key left on a laptop."',
    { run: 'writ revoke key KID', what: 'a stolen key; `writ agent show ID` lists key ids' },
    { run: 'writ revoke all', what: 'everything stops, everywhere, within 5 s' },
  )
}

function addLift(program: Command, act: Act): void {
  const command = signing(
    program
      .command('lift')
      .description('lift a revoke; tokens from before it stay dead')
      .argument('<what>', 'the sequence that `revoke` printed, or a scope')
      .argument('[id]', 'with a scope: lifts every standing revoke of that id'),
    'Lifted with the command line.',
  ).action(
    act((invocation, what, id, options) =>
      lift(invocation, String(what), id as string | undefined, options as Options),
    ),
  )
  examples(command, 'writ lift 7', 'writ lift agent maintenance')
}

function addSuspend(program: Command, act: Act): void {
  const command = signing(
    program
      .command('suspend')
      .description('stop something until it is resumed: the everyday name of revoke')
      .addArgument(new Argument('<kind>', 'what it is').choices(SUSPENDABLE))
      .argument('<id>', 'its id'),
    'Suspended with the command line.',
  )
    .option('--quarantine', 'say quarantined instead of revoked')
    .option('--force', 'file it though no record has that name')
    .action(
      act((invocation, kind, id, options) => suspend(invocation, kind as Suspendable, String(id), options as Options)),
    )
  examples(
    command,
    'writ suspend agent maintenance --reason "Until the key is found."',
    { run: 'writ suspend device press-07', what: 'nothing begins on it, whoever asks' },
    {
      run: 'writ suspend approver marta',
      what: 'stops the person: approvals, and what is asked on that person’s behalf',
    },
  )
}

function addResume(program: Command, act: Act): void {
  const command = signing(
    program
      .command('resume')
      .description('lift every revoke that stands against something by name')
      .addArgument(new Argument('<kind>', 'what it is').choices(SUSPENDABLE))
      .argument('<id>', 'its id'),
    'Resumed with the command line.',
  ).action(
    act((invocation, kind, id, options) => resume(invocation, kind as Suspendable, String(id), options as Options)),
  )
  examples(command, 'writ resume agent maintenance')
}

async function revoke(
  invocation: Invocation,
  scope: RevokeScope,
  id: string | undefined,
  options: Options,
): Promise<void> {
  checkNamed(scope, id)
  await using session = await signedSession(await invocation.context(), options)
  await withdraw(invocation, session, { scope, ...(scope !== 'all' && id !== undefined && { id }) }, options)
}

async function suspend(invocation: Invocation, kind: Suspendable, named: string, options: Options): Promise<void> {
  await using session = await signedSession(await invocation.context(), options)
  const { force } = options
  // Whose person an approver is only the record says.
  const what =
    force === true && kind !== 'approver' ? { scope: kind, id: named } : await suspensionOf(session, kind, named)
  await withdraw(invocation, session, what, options)
}

/** Files the revoke of a name that the records know. Of another it would say that nothing runs, which is true and means nothing. */
async function withdraw(
  invocation: Invocation,
  session: CosignedSession,
  what: { readonly scope: RevokeScope; readonly id?: string },
  { quarantine, force, reason }: Options,
): Promise<void> {
  const known = what.id === undefined ? 'nameless' : await isKnown(session, what.scope, what.id)
  if (known === 'no' && what.id !== undefined && force !== true) throw unknownName(what.scope, what.id)
  for (const warning of what.scope === 'user' ? tellingId(what.id ?? '') : []) invocation.out.warn(warning)
  const word: ControlWord = { command: 'revoke', ...what, ...(quarantine === true && { quarantine: true }) }
  say(invocation, await spread(invocation, session, word, reason), { known })
}

/** `all` has no id, every other scope has one. */
function checkNamed(scope: string, id: string | undefined): void {
  if (scope !== 'all' && id === undefined) throw new Fault('malformed', { message: `\`${scope}\` wants an id.` })
  if (scope === 'all' && id !== undefined && id !== 'all')
    throw new Fault('malformed', { message: '`all` takes no id.' })
}

async function lift(invocation: Invocation, what: string, id: string | undefined, options: Options): Promise<void> {
  await using session = await operatorSession(await invocation.context(), options.as)
  await session.reader.control()
  const { standing } = session.authority.control
  const lifted = /^[0-9]+$/.test(what) ? standing.filter(({ seq }) => seq === Number(what)) : named(standing, what, id)
  await liftAll(invocation, session, lifted, [what, id].filter(Boolean).join(' '), options.reason)
}

async function resume(invocation: Invocation, kind: Suspendable, named_: string, options: Options): Promise<void> {
  await using session = await operatorSession(await invocation.context(), options.as)
  const { scope, id } = await suspensionOf(session, kind, named_)
  await session.reader.control()
  const lifted = named(session.authority.control.standing, scope, id)
  await liftAll(invocation, session, lifted, `${kind} ${named_}`, options.reason)
}

async function liftAll(
  invocation: Invocation,
  session: CosignedSession,
  lifted: readonly StandingRevoke[],
  what: string,
  reason: string,
): Promise<void> {
  if (lifted.length === 0)
    throw withAdvice(
      new Fault('malformed', { message: `No standing revoke is ${what}.` }),
      '`writ revocation list` shows what stands, with its sequence.',
    )
  const spreads: Spread[] = []
  for (const { seq } of lifted) spreads.push(await spread(invocation, session, { command: 'lift', lifts: seq }, reason))
  const last = spreads.at(-1)
  if (last !== undefined) say(invocation, last, { lifted: lifted.map(({ seq }) => seq) })
}

function named(standing: readonly StandingRevoke[], scope: string, id: string | undefined): readonly StandingRevoke[] {
  checkNamed(scope, id)
  return standing.filter(({ revoke }) => revoke.scope === scope && (scope === 'all' || revoke.id === id))
}

function spread({ out }: Invocation, session: CosignedSession, word: ControlWord, reason: string): Promise<Spread> {
  return spreadControl(session, word, reason, (seq, by) => {
    out.note(`recorded as control message ${seq}; effective everywhere by ${clockText(by)}`)
  })
}

const DOUBTS: Partial<Readonly<Record<Known, string>>> = {
  no: '  no record has that name: check that it is the one you meant',
  unread: '  the records could not be read: check that a record has that name',
}

/** `lifted`: the sequences of the revokes that stand no more. */
function say(
  { out }: Invocation,
  { seq, effectiveBy, confirmed, gateways, running }: Spread,
  { lifted, known = 'nameless' }: { readonly lifted?: readonly number[]; readonly known?: Known },
): void {
  const silent = gateways.filter((id) => !confirmed.includes(id))
  const doubt = DOUBTS[known]
  const nothingRuns = lifted === undefined && doubt === undefined && silent.length === 0 && running.length === 0
  const value = {
    ok: true,
    seq,
    ...((known === 'yes' || known === 'no') && { known: known === 'yes' }),
    effective_by: effectiveBy.toISOString(),
    confirmed,
    gateways,
    running,
    ...(lifted !== undefined && { lifted }),
  }
  out.result(value, [
    `${confirmed.length} of ${gateways.length} gateways confirmed${nothingRuns ? '; nothing it names still runs' : ''}`,
    ...(doubt === undefined ? [] : [doubt]),
    ...(silent.length === 0 ? [] : [`  not heard of: ${silent.join(', ')}`]),
    ...running.map((step) => `  still running: ${step}`),
    ...(lifted === undefined ? [] : [`lifted ${lifted.join(', ')}`]),
  ])
}
