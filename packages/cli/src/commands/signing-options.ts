import type { Command } from 'commander'
import { type Context, operatorSession } from '../context.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { list } from '../options.ts'

/** Options of every command that an operator signs. */
export interface SigningOptions {
  readonly reason: string
  readonly as?: string
  readonly cosign?: readonly string[]
}

export function signing(command: Command, reason: string): Command {
  return command
    .option('--reason <text>', 'why, for the record', reason)
    .option('--as <dir>', 'enrolment package of the operator who signs (default: the context’s)')
}

/** For commands that file records. */
export function filing(command: Command, reason: string): Command {
  return signing(command, reason).option(
    '--cosign <dirs>',
    'enrolment packages of operators who sign too, where two persons are needed',
    list,
  )
}

export function signedSession(context: Context, { as, cosign }: SigningOptions): Promise<CosignedSession> {
  return operatorSession(context, as, cosign)
}
