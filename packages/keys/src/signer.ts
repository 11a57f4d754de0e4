import { createPrivateKey, sign } from 'node:crypto'
import type { PublicJwk } from '@writ/contracts'
import { type Algorithm, algorithmOf, generateJwk, type PrivateJwk, publicJwk, thumbprint } from './jwk.ts'
import type { KmsKey } from './kms/kms-key.ts'

/** Signs with one key. A key file signs at once; a KMS takes a round trip and may throw Fault `unavailable`. */
export interface Signer {
  readonly alg: Algorithm
  readonly kid: string
  readonly jwk: PublicJwk
  /** Where the key is, if that is KMS. */
  readonly kms?: KmsKey
  /** ES256: 64 bytes r‖s (RFC 7518 section 3.4). EdDSA: 64 bytes (RFC 8032). */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array>
}

export function signerOf(secret: PrivateJwk): Signer {
  const jwk = publicJwk(secret)
  const alg = algorithmOf(jwk)
  const key = createPrivateKey({ key: { ...jwk, d: secret.d }, format: 'jwk' })
  return {
    alg,
    kid: thumbprint(jwk),
    jwk,
    sign: (data) =>
      alg === 'ES256' ? sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' }) : sign(null, data, key),
  }
}

/** A key that lives as long as the process. */
export function ephemeralSigner(): Signer {
  return signerOf(generateJwk('ES256'))
}
