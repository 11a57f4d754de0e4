import { Fault } from '@writ/contracts'
import { parseJws, type Signer, signJws, type UnverifiedJws } from '@writ/keys'

/** What an operator says about an epoch's objects. `<origin>.meta/holds/<12 digits n>` is this, signed; from 1, and the last one counts. */
export interface HoldWord {
  readonly action: 'hold' | 'release'
  readonly origin: string
  readonly n: number
  /** The operator. */
  readonly iss: string
  /** NumericDate. */
  readonly iat: number
  /** For people; it is locked as the log is, so it names a case and no person. */
  readonly reason: string
}

/** A word whose signature nobody has checked: `verifyJws(word.jws, key)`. */
export interface UnverifiedHold extends HoldWord {
  readonly jws: UnverifiedJws
}

const TYP = 'writ-hold+jwt'
const BYTES_MAX = 8192
const REASON_MAX = 1000

export const holdsPrefix = (origin: string): string => `${origin}.meta/holds/`
export const holdKey = (origin: string, n: number): string => `${holdsPrefix(origin)}${String(n).padStart(12, '0')}`

/** Throws Fault `malformed` where the reason is not 1–1,000 characters without control characters. */
export async function signHold(signer: Signer, word: HoldWord): Promise<Uint8Array> {
  const { reason } = word
  if (reason.length === 0 || [...reason].length > REASON_MAX || /\p{Cc}/u.test(reason))
    throw new Fault('malformed', { message: `A reason is 1–${REASON_MAX} characters in one line.` })
  return Buffer.from(await signJws(signer, TYP, { ...word }))
}

/** Throws Fault `malformed` for what is no such word, or another's than its key says. */
export function openHold(bytes: Uint8Array, origin: string, n: number): UnverifiedHold {
  const jws = parseJws(bytes, BYTES_MAX)
  const { action, iss, iat, reason } = jws.payload
  if (
    jws.typ !== TYP ||
    (action !== 'hold' && action !== 'release') ||
    jws.payload['origin'] !== origin ||
    jws.payload['n'] !== n ||
    typeof iss !== 'string' ||
    typeof iat !== 'number' ||
    typeof reason !== 'string'
  )
    throw new Fault('malformed', { message: 'Not a word about a legal hold of this epoch.' })
  return { action, origin, n, iss, iat, reason, jws }
}
