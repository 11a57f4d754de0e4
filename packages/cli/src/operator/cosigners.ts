import { join } from 'node:path'
import { readEnrolment, type Session } from '@writ/agent-sdk'
import { cosignMessage, Fault } from '@writ/contracts'
import { readKeyFile, type Signer, signerOf, signMessage } from '@writ/keys'

/** A command that waits for another operator's signature. */
export interface CommandToSign {
  /** As it is signed: a compact JWS. */
  readonly compact: string
  readonly digest: string
  readonly aud: string
  /** NumericDate. */
  readonly iat: number
  readonly exp: number
}

/** Gets another operator's line under a command, which kinds of `trust.two_person` need. */
export type Cosigner = (command: CommandToSign) => Promise<string>

/** A session whose commands other operators sign too. */
export interface CosignedSession extends Session {
  readonly cosigners?: readonly Cosigner[]
}

/** The key of another operator's enrolment package. Throws Fault `wrong_role` where it is another kind's. */
export async function readCosigner(folder: string): Promise<Cosigner> {
  const { kind, id } = await readEnrolment(folder)
  if (kind !== 'operator')
    throw new Fault('wrong_role', { message: `Operators sign commands, and ${folder} is ${kind} ${id}’s.` })
  const signer = signerOf(await readKeyFile(join(folder, 'key.jwk')))
  return (command) => cosign({ id, signer }, command)
}

/** Another operator's line under a command, valid as long as the command. */
export function cosign(
  { id, signer }: { readonly id: string; readonly signer: Signer },
  command: Omit<CommandToSign, 'compact'>,
): Promise<string> {
  const { digest, aud, iat, exp } = command
  return signMessage(signer, cosignMessage, { iss: id, aud, iat, exp, command_digest: digest })
}
