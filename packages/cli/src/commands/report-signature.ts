import { readFile } from 'node:fs/promises'
import { NotVerified } from '@writ/audit'
import { Fault, isFault, type PublicJwk } from '@writ/contracts'
import {
  openSigner,
  parseJws,
  publicJwk,
  type Signer,
  signPayload,
  thumbprint,
  toBase64url,
  verifyJws,
} from '@writ/keys'

/** `typ` of a report's signature: nothing on the bus has it, so that neither can stand for the other. */
const TYP = 'writ-verification+jws'
const REPORT_BYTES_MAX = 16 << 20

/** A key file, or a reference as services take it: `file:<path>`, `kms:<key>`. */
export async function reportSigner(reference: string): Promise<Signer> {
  return await openSigner(/^(file|kms):/.test(reference) ? reference : `file:${reference}`)
}

/** JWS compact with detached content (RFC 7515 appendix F): `<header>..<signature>` over the report's exact bytes. */
export async function signReport(signer: Signer, report: string): Promise<string> {
  const [header = '', , signature = ''] = (await signPayload(signer, TYP, report)).split('.')
  const detached = `${header}..${signature}`
  // Sign, then verify what is about to be handed out.
  verifyReport(Buffer.from(report), detached, [signer.jwk])
  return detached
}

/** Whose signature it is. Throws `NotVerified` where none of these keys has made it over exactly these bytes. */
export function verifyReport(report: Uint8Array, detached: string, keys: readonly PublicJwk[]): PublicJwk {
  const [header = '', content, signature = '', more] = detached.trim().split('.')
  if (content !== '' || more !== undefined)
    throw new Fault('malformed', { message: 'This is no detached signature: <header>..<signature> is wanted.' })
  const jws = parseJws(`${header}.${toBase64url(report)}.${signature}`, 2 * REPORT_BYTES_MAX)
  const key = keys.find((one) => thumbprint(one) === jws.kid)
  if (jws.typ !== TYP)
    throw new NotVerified('bad_signature', { message: 'The signature is over something else than a report.' })
  if (key === undefined)
    throw new NotVerified('unknown_key', {
      message: `The report is signed with key ${jws.kid}, which is none of those that count.`,
    })
  try {
    verifyJws(jws, key)
  } catch (cause) {
    if (!isFault(cause)) throw cause
    throw new NotVerified('bad_signature', { message: 'The report is not the one that was signed.', cause })
  }
  return key
}

/** A public key as JWK; a private one is taken for its public half. */
export async function readPublicKey(path: string): Promise<PublicJwk> {
  try {
    return publicJwk(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    throw new Fault('unavailable', { message: `${path} holds no public key (JWK).`, cause })
  }
}
