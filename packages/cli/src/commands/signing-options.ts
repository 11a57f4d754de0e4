import type { Command } from 'commander'
import { type Context, operatorSession } from '../context.ts'
import { cosignerElsewhere } from '../operator/cosign-request.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { list } from '../options.ts'

/** Options of every command that an operator signs. */
export interface SigningOptions {
  readonly reason: string
  readonly as?: string
  readonly cosign?: readonly string[]
  /** A file that another machine signs. */
  readonly cosignRequest?: string
  /** Hears what a person has to do meanwhile. */
  readonly told?: (what: string) => void
}

export function signing(command: Command, reason: string): Command {
  return command
    .option('--reason <text>', 'why, for the record', reason)
    .option('--as <dir>', 'enrolment package of the operator who signs (default: the context’s)')
}

/** For commands that file records. */
export function filing(command: Command, reason: string): Command {
  return signing(command, reason)
    .option('--cosign <dirs>', 'enrolment packages of operators who sign too, where two persons are needed', list)
    .option('--cosign-request <file>', 'put what is to be signed there, and wait for `writ cosign` on another machine')
}

export async function signedSession(
  context: Context,
  { as, cosign, cosignRequest, told = () => undefined }: SigningOptions,
): Promise<CosignedSession> {
  const session = await operatorSession(context, as, cosign)
  if (cosignRequest === undefined) return session
  return { ...session, cosigners: [...(session.cosigners ?? []), cosignerElsewhere(cosignRequest, told)] }
}
