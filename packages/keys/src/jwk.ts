import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Fault, PublicJwk } from '@writ/contracts'
import { sha256 } from './digest.ts'

export type Algorithm = 'ES256' | 'EdDSA'

/** The algorithm is the key's: P-256 signs `ES256`, Ed25519 signs `EdDSA`. */
export function algorithmOf(jwk: PublicJwk): Algorithm {
  return jwk.kty === 'EC' ? 'ES256' : 'EdDSA'
}

const thumbprints = new WeakMap<PublicJwk, string>()

/** RFC 7638 SHA-256 thumbprint, base64url: the key id everywhere. A key object is not changed once it is made. */
export function thumbprint(jwk: PublicJwk): string {
  const known = thumbprints.get(jwk)
  if (known !== undefined) return known
  const made = sha256(
    jwk.kty === 'EC'
      ? `{"crv":"${jwk.crv}","kty":"EC","x":"${jwk.x}","y":"${jwk.y}"}`
      : `{"crv":"${jwk.crv}","kty":"OKP","x":"${jwk.x}"}`,
  )
  thumbprints.set(jwk, made)
  return made
}

/** A private key as JWK. Secret: never logged, in files of mode 0600 only. */
export type PrivateJwk = PublicJwk & { readonly d: string }

/** The registered members only. Throws Fault `malformed` on anything that is no P-256 or Ed25519 key. */
export function publicJwk(jwk: unknown): PublicJwk {
  const { kty, crv, x, y } = Object(jwk) as Record<string, unknown>
  const parsed = PublicJwk.safeParse(kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x })
  if (!parsed.success) throw new Fault('malformed', { message: 'Not a P-256 or Ed25519 public key.' })
  return parsed.data
}

export function generateJwk(algorithm: Algorithm): PrivateJwk {
  const { privateKey } =
    algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  return privateKey.export({ format: 'jwk' }) as unknown as PrivateJwk
}

const KEYS_MAX = 10_000
const imported = new Map<string, KeyObject>()

/** The key for node:crypto, imported once. Throws Fault `unknown_key` when its point is not on the curve. */
export function importPublic(jwk: PublicJwk): KeyObject {
  const kid = thumbprint(jwk)
  const known = imported.get(kid)
  if (known !== undefined) return known
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    if (imported.size >= KEYS_MAX) imported.delete(imported.keys().next().value as string)
    imported.set(kid, key)
    return key
  } catch (cause) {
    throw new Fault('unknown_key', { message: 'The key is not a point of its curve.', cause })
  }
}
