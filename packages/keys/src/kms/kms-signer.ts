import { createHash, createPublicKey, type JsonWebKey } from 'node:crypto'
import { Fault, type PublicJwk } from '@writ/contracts'
import { algorithmOf, publicJwk, thumbprint } from '../jwk.ts'
import { verifies } from '../jws.ts'
import type { Signer } from '../signer.ts'
import { ecdsaFromDer } from './ecdsa-der.ts'
import type { KmsOptions } from './guard.ts'
import { KmsConnection } from './kms-connection.ts'

const ED25519 = 'ECC_NIST_EDWARDS25519'
const P256 = 'ECC_NIST_P256'
/** What KMS hashes itself (`RAW`). */
const RAW_BYTES_MAX = 4096

/**
 * A signing key in AWS KMS. Its public key is read once; every signature is verified against it before it is returned. Faults of `KmsConnection.open`;
 * `sign` throws Fault `unavailable`, `bad_signature` (what KMS returned does not verify) and, for Ed25519 over more than 4,096 bytes, `too_large`: a
 * longer message would have to be hashed first, and that is another signature (Ed25519ph), which nobody here verifies.
 */
export async function openKmsSigner(reference: string, options: KmsOptions): Promise<Signer> {
  const connection = await KmsConnection.open(reference, 'SIGN_VERIFY', [ED25519, P256], options)
  const { key, label } = connection
  const jwk = jwkOf(await connection.publicKey(), label)
  if ((jwk.kty === 'EC') !== (key.spec === P256))
    throw new Fault('malformed', { message: `KMS key ${label}: its public key is of another kind than ${key.spec}.` })
  const sign = jwk.kty === 'EC' ? signP256(connection, jwk) : signEd25519(connection, jwk)
  return { alg: algorithmOf(jwk), kid: thumbprint(jwk), jwk, sign, kms: key }
}

function jwkOf(spki: Uint8Array, label: string): PublicJwk {
  let jwk: JsonWebKey
  try {
    jwk = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }).export({ format: 'jwk' })
  } catch (cause) {
    throw new Fault('malformed', { message: `KMS key ${label}: KMS returned no public key.`, cause })
  }
  return publicJwk(jwk)
}

type Sign = (data: Uint8Array) => Promise<Uint8Array>

function signP256(connection: KmsConnection, jwk: PublicJwk): Sign {
  return (data) => {
    const raw = data.length <= RAW_BYTES_MAX
    const message = raw ? data : createHash('sha256').update(data).digest()
    return connection.sign(message, raw ? 'RAW' : 'DIGEST', 'ECDSA_SHA_256', (der) => {
      const signature = ecdsaFromDer(der)
      return signature !== undefined && verifies(data, signature, jwk) ? signature : undefined
    })
  }
}

function signEd25519(connection: KmsConnection, jwk: PublicJwk): Sign {
  return async (data) => {
    if (data.length > RAW_BYTES_MAX)
      throw new Fault('too_large', { message: `An Ed25519 key in KMS signs at most ${RAW_BYTES_MAX} bytes.` })
    return await connection.sign(data, 'RAW', 'ED25519_SHA_512', (signature) =>
      verifies(data, signature, jwk) ? signature : undefined,
    )
  }
}
