import { cosignerVerifier, formatVkey, logVerifier } from '@writ/audit'
import { Fault, isFault, type PublicJwk } from '@writ/contracts'

/** The log's public key as C2SP signed notes name it. Throws Fault `malformed` for a name that notes cannot have. */
export function logVkey(name: string, jwk: PublicJwk): string {
  return named(() => formatVkey(logVerifier(name, jwk)))
}

/** The same of the key that signs times; `malformed` too unless it is Ed25519. */
export function cosignerVkey(name: string, jwk: PublicJwk): string {
  return named(() => formatVkey(cosignerVerifier(name, jwk)))
}

function named(make: () => string): string {
  try {
    return make()
  } catch (cause) {
    if (isFault(cause)) throw cause
    throw new Fault('malformed', {
      message: 'The name of the log key is empty or holds a space or a plus sign.',
      cause,
    })
  }
}
