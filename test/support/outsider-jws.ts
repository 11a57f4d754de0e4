import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose'

// Signed messages as CONTRACT.md describes them, made with node:crypto and jose alone: what somebody writes who has only
// read the contract.

export type Claims = Record<string, unknown>
export type Alg = 'ES256' | 'EdDSA'

export interface OutsiderKey {
  readonly alg: Alg
  /** RFC 7638 thumbprint. */
  readonly kid: string
  readonly jwk: JWK
  readonly privateKey: KeyObject
}

export async function makeKey(alg: Alg = 'ES256'): Promise<OutsiderKey> {
  const pair = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK
  return { alg, kid: await calculateJwkThumbprint(jwk, 'sha256'), jwk, privateKey: pair.privateKey }
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)
export const freshId = (): string => randomUUID()
export const sha256 = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('base64url')

/** `digest(m)`: of the signing input, never of the signature. */
export function digest(compact: string): string {
  return sha256(compact.slice(0, compact.lastIndexOf('.')))
}

export function signed(key: OutsiderKey, typ: string, claims: Claims): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ })
    .sign(key.privateKey)
}

const segment = (part: Claims | string | Uint8Array): string =>
  Buffer.from(typeof part === 'string' || part instanceof Uint8Array ? part : JSON.stringify(part)).toString(
    'base64url',
  )

/** A signature over any two segments, well formed or not: what a signing library would refuse to make. */
export function signRaw(key: OutsiderKey, header: string, payload: string): string {
  const input = Buffer.from(`${header}.${payload}`)
  const signature =
    key.alg === 'ES256'
      ? sign('sha256', input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
      : sign(null, input, key.privateKey)
  return `${header}.${payload}.${signature.toString('base64url')}`
}

/** A signature over any header and payload: objects, or the exact text or bytes. */
export function forge(key: OutsiderKey, header: Claims | string, payload: Claims | string | Uint8Array): string {
  return signRaw(key, segment(header), segment(payload))
}

export interface Opened {
  readonly alg: string
  readonly kid: string
  readonly typ: string
  readonly claims: Claims
  readonly digest: string
  readonly compact: string
}

/** Taken apart, nothing verified. */
export function open(compact: string): Opened {
  const [header = '', payload = ''] = compact.split('.')
  const { alg, kid, typ } = JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, string>
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims
  return { alg: alg ?? '', kid: kid ?? '', typ: typ ?? '', claims, digest: digest(compact), compact }
}

/** Throws unless this key made the signature with its own algorithm, and the header holds nothing but `alg`, `kid`, `typ`. */
export async function verified(compact: string, jwk: JWK, typ: string): Promise<Opened> {
  const alg = jwk.kty === 'EC' ? 'ES256' : 'EdDSA'
  const { protectedHeader } = await compactVerify(compact, await importJWK(jwk, alg), { algorithms: [alg] })
  const { alg: a, kid, typ: t, ...more } = protectedHeader
  if (a !== alg || kid !== (await calculateJwkThumbprint(jwk, 'sha256')) || t !== typ || Object.keys(more).length > 0)
    throw new Error(`a header of another kind than ${typ}: ${JSON.stringify(protectedHeader)}`)
  return open(compact)
}

/** RFC 9562 version 7. */
export function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const random = randomUUID().replaceAll('-', '')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(13, 16)}-${random.slice(16, 20)}-${random.slice(20)}`
}
