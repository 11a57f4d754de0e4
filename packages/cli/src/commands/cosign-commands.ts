import { readFile } from 'node:fs/promises'
import { checkEnvelope, verifyParty } from '@writ/authority'
import { type Command as Claims, commandMessage, Fault } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { openMessage } from '@writ/keys'
import type { Command } from 'commander'
import { operatorSession } from '../context.ts'
import { examples } from '../help.ts'
import { readRecords } from '../identities/kinds.ts'
import type { Act, Invocation } from '../invocation.ts'
import { answerTo } from '../operator/cosign-request.ts'
import { type CosignedSession, cosign } from '../operator/cosigners.ts'
import { clockText } from '../terminal/time-text.ts'

interface Options {
  readonly as?: string
  readonly sign: boolean
}

/** `writ cosign FILE` */
export function addCosignCommand(program: Command, act: Act): void {
  const command = program
    .command('cosign <file>')
    .description('look at another operator’s command, and sign it too')
    .option('--sign', 'sign it, into FILE.signed', false)
    .option('--as <dir>', 'enrolment package of the operator who signs (default: the context’s)')
    .action(act((invocation, file, options) => run(invocation, String(file), options as Options)))
  examples(
    command,
    {
      run: 'writ agent create line-2 --users u-anna --actions restart --groups press-hall --cosign-request line-2.command',
      what: 'on the other machine: it waits up to 5 minutes',
    },
    { run: 'writ cosign line-2.command', what: 'here: what would be signed, and what is in force now' },
    { run: 'writ cosign line-2.command --sign', what: 'makes line-2.command.signed, for the other machine' },
  )
}

async function run(invocation: Invocation, file: string, { as, sign }: Options): Promise<void> {
  const context = await invocation.context()
  await using session = await operatorSession(context, as)
  const text = await readFile(file).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `${file} cannot be read.`, cause })
  })
  const { claims, digest } = await verified(session, text)
  const inForce = session.authority.trust.record(claims.kind, claims.id)?.record ?? null
  const next = session.authority.trust.version(claims.kind, claims.id) + 1
  if (claims.version !== next)
    throw new Fault('wrong_version', { message: `It is for version ${claims.version}, and the next is ${next}.` })
  if (sign) {
    const line = await cosign(session, { ...claims, digest })
    await writeFileDurably(answerTo(file), `${line}\n`)
  }
  say(invocation, { claims, digest, inForce, signed: sign ? answerTo(file) : undefined })
}

/** A command of another operator, valid now: who signed it and that it can still be filed, not that it should be. */
async function verified(
  session: CosignedSession,
  text: Buffer,
): Promise<{ readonly claims: Claims; readonly digest: string }> {
  await readRecords(session)
  const opened = openMessage(commandMessage, Buffer.from(text.toString('latin1').trim(), 'latin1'))
  const signed = verifyParty(session.authority, 'operator', opened)
  checkEnvelope(session.authority, signed, Math.floor(Date.now() / 1000))
  if (signed.claims.iss === session.id)
    throw new Fault('self_approval', { message: `${session.id} has signed it already: another operator does.` })
  return { claims: signed.claims, digest: opened.jws.digest }
}

interface Seen {
  readonly claims: Claims
  readonly digest: string
  readonly inForce: object | null
  readonly signed: string | undefined
}

function say({ out }: Invocation, { claims, digest, inForce, signed }: Seen): void {
  const { iss, kind, id, version, record, reason, exp } = claims
  const shown = (value: object | null) => (value === null ? 'none' : JSON.stringify(value))
  out.result({ ok: true, command: claims, digest, in_force: inForce, ...(signed !== undefined && { signed }) }, [
    `${iss} ${record === null ? 'removes' : 'files'} ${kind} ${id}, version ${version}`,
    `  because  ${reason}`,
    `  now      ${shown(inForce)}`,
    `  then     ${shown(record)}`,
    `  valid    until ${clockText(new Date(exp * 1000))}`,
    signed === undefined
      ? '  not signed: --sign signs it'
      : `  signed in ${signed}: put it beside the file it came from`,
  ])
}
