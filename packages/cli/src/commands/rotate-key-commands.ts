import { resolve } from 'node:path'
import { Fault } from '@writ/contracts'
import type { Command } from 'commander'
import { assertOfContext, type Context, identityFolder } from '../context.ts'
import { examples } from '../help.ts'
import type { EnrolledKind } from '../identities/kinds.ts'
import {
  addKey,
  beginRotation,
  dropKey,
  finishRotation,
  type Rotated,
  type Rotation,
  rotateAtOnce,
} from '../identities/rotate-key.ts'
import type { Act, Invocation } from '../invocation.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { readPublicKey } from './create-identity.ts'
import { EXAMPLE_IDS } from './list-commands.ts'
import { filing, type SigningOptions, signedSession } from './signing-options.ts'

interface Options extends SigningOptions {
  readonly package?: string
  readonly key?: string
  readonly finish?: boolean
  readonly atOnce?: boolean
  readonly drop?: string
}

/** `writ KIND rotate-key ID` */
export function addRotateKeyCommand(group: Command, act: Act, kind: EnrolledKind): void {
  const id = EXAMPLE_IDS[kind]
  const command = filing(
    group.command('rotate-key <id>').description('give it a new key, in two halves or at once'),
    'Key rotation.',
  )
    .option('--package <dir>', 'its enrolment package (default: where `create` put it)')
    .option('--finish', 'second half: the old key leaves the record, then its file')
    .option('--at-once', 'both halves; what still signs with the old key is refused from then on')
    .option('--key <file>', 'add this public JWK instead of making a key; no package is touched')
    .option('--drop <kid>', 'take this key out of the record; no package is touched')
    .action(act((invocation, id, options) => rotate(invocation, kind, String(id), options as Options)))
  examples(
    command,
    {
      run: `writ ${kind} rotate-key ${id}`,
      what: 'both keys are good; the package holds the new one, beside it key.old.jwk',
    },
    {
      run: `writ ${kind} rotate-key ${id} --finish`,
      what: 'when everything that signs for it has taken up the new key',
    },
    { run: `writ ${kind} rotate-key ${id} --at-once`, what: 'then, if the old key was stolen: writ revoke key KID' },
  )
  command.addHelpText('after', `\n${ABOUT[kind]}`)
}

const ABOUT: Readonly<Record<EnrolledKind, string>> = {
  agent: 'Restart the agent between the halves: it reads its key when it starts.',
  gateway:
    'Restart the gateway with its new key and finish at once: tokens are bound to the first key of the record, so that plans in between are refused.',
  approver: 'Approvals that were given under the old key stay good until the second half.',
  operator:
    'A root operator signs. Records that were signed with the old key stay in force: never revoke it, unless it was stolen, and then after `writ operator remove`.',
}

async function rotate(invocation: Invocation, kind: EnrolledKind, id: string, options: Options): Promise<void> {
  const chosen = [options.finish, options.atOnce, options.key, options.drop].filter((each) => each !== undefined)
  if (chosen.length > 1)
    throw new Fault('malformed', { message: '--finish, --at-once, --key and --drop are said one at a time.' })
  const context = await invocation.context()
  await using session = await signedSession(context, { ...options, told: invocation.out.note })
  const rotation = { kind, id, reason: options.reason }
  say(invocation, await run(session, rotation, options, context), options)
}

async function run(
  session: CosignedSession,
  rotation: Rotation,
  { finish, atOnce, key, drop, package: named }: Options,
  context: Context,
): Promise<Rotated> {
  if (key !== undefined) return addKey(session, rotation, await readPublicKey(key))
  if (drop !== undefined) return dropKey(session, rotation, drop)
  const folder = resolve(named ?? identityFolder(context, rotation.kind, rotation.id))
  if (named !== undefined) await assertOfContext(context, folder)
  if (finish === true) return finishRotation(session, rotation, folder)
  return atOnce === true ? rotateAtOnce(session, rotation, folder) : beginRotation(session, rotation, folder)
}

function say({ out }: Invocation, rotated: Rotated, { finish, atOnce, key }: Options): void {
  const { kind, id, version, keys, added, dropped } = rotated
  const open = added !== undefined && finish !== true && atOnce !== true && key === undefined
  out.result({ ok: true, ...rotated, finished: !open }, [
    `${kind} ${id}: version ${version} is in force with ${keys.length === 1 ? 'one key' : `${keys.length} keys`}`,
    ...(added === undefined ? [] : [`  added    ${added}`]),
    ...(dropped === undefined ? [] : [`  dropped  ${dropped}`]),
    ...(atOnce === true && added === undefined
      ? ['  the rotation that had begun is finished; no other key was made']
      : []),
    ...(open ? [`  when the new key is in use: writ ${kind} rotate-key ${id} --finish`] : []),
  ])
}
