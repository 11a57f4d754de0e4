import type { Command } from 'commander'
import { type Context, planeOf } from '../context.ts'
import { examples } from '../help.ts'
import type { Identified } from '../identities/kinds.ts'
import { type Removed, removeIdentity } from '../identities/remove-identity.ts'
import { type RemovedOperator, removeOperator } from '../identities/remove-operator.ts'
import type { Act, Invocation } from '../invocation.ts'
import { EXAMPLE_IDS } from './list-commands.ts'
import { filing, type SigningOptions, signedSession } from './signing-options.ts'

interface Options extends SigningOptions {
  readonly revoke: boolean
}

const STEPS: Readonly<Record<Identified, string>> = {
  agent: 'It is revoked, its record removed, and its NATS credentials are withdrawn, in this order.',
  gateway:
    'It is revoked, its record removed, its NATS credentials are withdrawn and its plan consumer is deleted, in this order. No device may name it any more.',
  device: 'It is revoked, then its record is removed.',
  approver: 'Its record is removed and its NATS credentials are withdrawn. Approvals that were given stand.',
  operator:
    'In this order: NATS credentials are withdrawn; another root operator files again what they filed; the record is removed; each of their keys is revoked for good.',
}

/** `writ KIND remove ID` */
export function addRemoveCommand(group: Command, act: Act, kind: Identified): void {
  const command = filing(
    group.command('remove <id>').alias('rm').description('end it for good'),
    'Removed with the command line.',
  )
  if (kind !== 'operator' && kind !== 'approver')
    command.option('--no-revoke', 'leave tokens alone that were issued already')
  command.action(act((invocation, id, options) => remove(invocation, kind, String(id), options as Options)))
  examples(command, `writ ${kind} remove ${EXAMPLE_IDS[kind]} --reason "No longer used."`)
  command.addHelpText('after', `\n${STEPS[kind]} Run it again if it was interrupted: it does what is left.`)
}

async function remove(invocation: Invocation, kind: Identified, id: string, options: Options): Promise<void> {
  const context = await invocation.context()
  const plane = context.local === undefined ? undefined : await planeOf(context)
  await using session = await signedSession(context, { ...options, told: invocation.out.note })
  const told = (what: string): void => invocation.out.note(`  ${what}`)
  const { reason, revoke = true } = options
  const removed =
    kind === 'operator'
      ? await removeOperator(session, plane, { id, reason }, told)
      : await removeIdentity(session, plane, { kind, id, reason, revoke }, told)
  say(invocation, removed, context)
}

function say({ out }: Invocation, removed: Removed | RemovedOperator, { name }: Context): void {
  const { kind, id, credentials } = removed
  const withdrawn =
    credentials === undefined
      ? kind === 'device'
        ? []
        : [
            `  its NATS credentials still work${kind === 'gateway' ? ', and its plan consumer is left' : ''}: the context ${name} has no folder of the plane. Where that is: writ ${kind === 'gateway' ? 'gateway remove' : `credentials revoke ${kind}`} ${id}`,
          ]
      : [`  ${credentials} NATS credentials withdrawn`]
  out.result({ ok: true, ...removed }, [`${kind} ${id} is removed`, ...withdrawn])
}
