import { formatVkey, noteVerifier } from '@writ/audit'
import { Fault, type PublicJwk } from '@writ/contracts'
import { fromBase64url } from '@writ/keys'

/** The log's public key as C2SP signed notes name it. Throws Fault `malformed` for a name that notes cannot have. */
export function logVkey(name: string, jwk: PublicJwk): string {
  try {
    return formatVkey(noteVerifier(name, fromBase64url(jwk.x)))
  } catch (cause) {
    throw new Fault('malformed', {
      message: 'The name of the log key is empty or holds a space or a plus sign.',
      cause,
    })
  }
}
