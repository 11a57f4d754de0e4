import { resolve } from 'node:path'
import { readEnrolment } from '@writ/agent-sdk'
import { Fault, type IdentityKind, PARTY_KINDS, SERVICE_ROLES } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { Argument, type Command } from 'commander'
import { withAdvice } from '../advice.ts'
import { assertOfContext, identityFolder, planeOf } from '../context.ts'
import { examples } from '../help.ts'
import type { Act, Invocation } from '../invocation.ts'
import { renewCredentials, withdrawCredentials } from '../operator/withdraw-credentials.ts'

const KINDS: readonly IdentityKind[] = [...PARTY_KINDS, ...SERVICE_ROLES]

/** `writ credentials revoke|renew` */
export function addCredentialsCommands(program: Command, act: Act): void {
  const group = program.command('credentials').description('Logins to NATS. They give reach, not authority.')
  const revoke = group
    .command('revoke')
    .description('withdraw every NATS login of an identity: its connections close')
    .addArgument(new Argument('<kind>', 'agent, gateway, approver, operator, or a service’s role').choices(KINDS))
    .argument('<id>', 'its id; a service’s instance')
    .action(act((invocation, kind, id) => revokeCommand(invocation, kind as IdentityKind, String(id))))
  examples(revoke, 'writ credentials revoke agent line-2')
  revoke.addHelpText(
    'after',
    '\nTouches no record, key or token: `writ suspend` stops what an identity may do. Needs the plane’s folder.',
  )
  const renew = group
    .command('renew')
    .description('withdraw every NATS login of an identity and put a new one into its package')
    .addArgument(new Argument('<kind>', 'agent, gateway, approver, operator, or a service’s role').choices(KINDS))
    .argument('<id>', 'its id; a service’s instance')
    .option('--package <dir>', 'its enrolment package (default: where `create` put it)')
    .action(
      act((invocation, kind, id, options) =>
        renewCommand(invocation, kind as IdentityKind, String(id), (options as { package?: string }).package),
      ),
    )
  examples(renew, {
    run: 'writ credentials renew agent line-2',
    what: 'a laptop was lost; the program connects again when it has the new package',
  })
}

async function revokeCommand(invocation: Invocation, kind: IdentityKind, id: string): Promise<void> {
  const plane = await planeOf(await invocation.context())
  const withdrawn = await withdrawCredentials(plane, kind, id)
  if (withdrawn === 0) throw noLogin(kind, id, plane.dir)
  invocation.out.result({ ok: true, kind, id, withdrawn }, [`${withdrawn} NATS logins of ${kind} ${id} withdrawn`])
}

/** Logins that another folder of the plane’s keys has made are not known here, so nothing is said of them. */
function noLogin(kind: IdentityKind, id: string, folder: string): Fault {
  const fault = new Fault('malformed', {
    message: `${folder} made no NATS login for ${kind} ${id}: nothing was withdrawn.`,
  })
  return withAdvice(fault, 'Is the name right? Logins are withdrawn with the folder that made them.')
}

async function renewCommand(
  invocation: Invocation,
  kind: IdentityKind,
  id: string,
  named: string | undefined,
): Promise<void> {
  const context = await invocation.context()
  const folder = resolve(named ?? identityFolder(context, kind, id))
  await assertOfContext(context, folder)
  const plane = await planeOf(context)
  const enrolment = await readEnrolment(folder)
  if (enrolment.kind !== kind || enrolment.id !== id)
    throw new Fault('malformed', { message: `${folder} belongs to ${enrolment.kind} ${enrolment.id}.` })
  const { withdrawn, creds } = await renewCredentials(plane, kind, id)
  const file = enrolment.credentials_file
  await writeFileDurably(file, creds, { mode: 0o600 })
  invocation.out.result({ ok: true, kind, id, withdrawn, file }, [
    `${withdrawn} NATS logins of ${kind} ${id} withdrawn; the new one is in ${file}`,
  ])
}
