import { join } from 'node:path'
import { readEnrolment, type Session } from '@writ/agent-sdk'
import { cosignMessage, Fault } from '@writ/contracts'
import { readKeyFile, type Signer, signerOf, signMessage } from '@writ/keys'

/** Another operator, whose signature kinds of `trust.two_person` need under a command. */
export interface Cosigner {
  readonly id: string
  readonly signer: Signer
}

/** A session whose commands other operators sign too. */
export interface CosignedSession extends Session {
  readonly cosigners?: readonly Cosigner[]
}

/** The key of another operator's enrolment package. Throws Fault `wrong_role` where it is another kind's. */
export async function readCosigner(folder: string): Promise<Cosigner> {
  const { kind, id } = await readEnrolment(folder)
  if (kind !== 'operator')
    throw new Fault('wrong_role', { message: `Operators sign commands, and ${folder} is ${kind} ${id}’s.` })
  return { id, signer: signerOf(await readKeyFile(join(folder, 'key.jwk'))) }
}

/** Another operator's line under a command, valid as long as the command. */
export function cosign(
  { id, signer }: Cosigner,
  command: { readonly digest: string; readonly aud: string; readonly iat: number; readonly exp: number },
): Promise<string> {
  const { digest, aud, iat, exp } = command
  return signMessage(signer, cosignMessage, { iss: id, aud, iat, exp, command_digest: digest })
}
