import { verify } from 'node:crypto'
import { Fault, type JsonObject, type PublicJwk } from '@writ/contracts'
import { fromBase64url, fromBase64urlOnce, toBase64url } from './base64url.ts'
import { sha256 } from './digest.ts'
import { parseIJson } from './i-json.ts'
import { type Algorithm, algorithmOf, importPublic, thumbprint } from './jwk.ts'
import type { Signer } from './signer.ts'

/** A compact JWS (RFC 7515) that was taken apart. Nothing is verified yet: neither signature, nor claims, nor signer. */
export interface UnverifiedJws {
  readonly compact: string
  readonly alg: Algorithm
  readonly kid: string
  readonly typ: string
  readonly payload: JsonObject
  readonly signingInput: string
  readonly signature: Buffer
  /** CONTRACT `digest(m)`: of the signing input, so that it does not depend on the signature's bytes. */
  readonly digest: string
}

/**
 * Takes a compact JWS apart as strictly as CONTRACT section 1 says.
 * Throws Fault `too_large` above `bytesMax` before anything else is looked at, and `malformed`.
 */
export function parseJws(body: Uint8Array | string, bytesMax: number): UnverifiedJws {
  if (Buffer.byteLength(body) > bytesMax)
    throw new Fault('too_large', { message: `The message is over ${bytesMax} bytes.` })
  const compact =
    typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1')
  const segments = compact.split('.')
  if (segments.length !== 3) throw new Fault('malformed', { message: 'Not a compact JWS.' })
  const [header, payload, signature] = segments as [string, string, string]
  // A slice, and bytes where they are at hand: putting the parts together again would copy all of it.
  const signingInput = compact.slice(0, header.length + 1 + payload.length)
  return {
    compact,
    ...headerOf(header),
    payload: parseIJson(fromBase64urlOnce(payload)),
    signingInput,
    signature: fromBase64url(signature),
    digest: sha256(typeof body === 'string' ? signingInput : body.subarray(0, signingInput.length)),
  }
}

interface Header {
  readonly alg: Algorithm
  readonly kid: string
  readonly typ: string
}

const HEADERS_MAX = 1000
const HEADER_LENGTH_MAX = 256
/** Headers as they were parsed before: one key's messages of one type all have the same. */
const headers = new Map<string, Header>()

function headerOf(segment: string): Header {
  const known = headers.get(segment)
  if (known !== undefined) return known
  const parsed = parseHeader(fromBase64url(segment))
  if (segment.length > HEADER_LENGTH_MAX) return parsed
  if (headers.size >= HEADERS_MAX) headers.delete(headers.keys().next().value as string)
  // A copy, since a slice would keep the whole message as long as its header is known.
  headers.set(Buffer.from(segment, 'latin1').toString('latin1'), parsed)
  return parsed
}

function parseHeader(bytes: Uint8Array): Header {
  const { alg, kid, typ, ...others } = parseIJson(bytes)
  if (
    Object.keys(others).length > 0 ||
    (alg !== 'ES256' && alg !== 'EdDSA') ||
    typeof kid !== 'string' ||
    typeof typ !== 'string'
  ) {
    throw new Fault('malformed', { message: 'The header is not exactly alg (ES256 or EdDSA), kid and typ.' })
  }
  return { alg, kid, typ }
}

/** `digest(m)` of a message that was parsed before, or that only has to be named. */
export function digestOf(compact: string): string {
  return sha256(compact.slice(0, compact.lastIndexOf('.')))
}

/** What a reply's `request` names: the digest of the request, or of its raw body if that has not exactly two dots. */
export function requestDigest(body: Uint8Array): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const text = bytes.toString('latin1')
  return sha256(text.split('.').length === 3 ? bytes.subarray(0, text.lastIndexOf('.')) : bytes)
}

const VERIFIED_MAX = 20_000
/** Signatures that hold, by key, signing input and signature: records, endorsements and reports come with every intent. */
const verified = new Set<string>()

/** Throws Fault `bad_signature` unless `jwk` made the signature with its own algorithm. The same three are looked at once. */
export function verifyJws(jws: UnverifiedJws, jwk: PublicJwk): void {
  const name = nameOf(jws, jwk)
  if (verified.has(name)) return
  if (jws.alg !== algorithmOf(jwk) || !verifies(Buffer.from(jws.signingInput, 'latin1'), jws.signature, jwk)) {
    throw new Fault('bad_signature', { message: 'The signature does not verify.' })
  }
  remember(name)
}

/**
 * Looks at a signature beside other work, on another thread: where it holds, `verifyJws` of the same has nothing left to do. Of one that does not hold, or
 * cannot be looked at, it says nothing. Never throws.
 */
export function verifyJwsAhead(jws: UnverifiedJws, jwk: PublicJwk): Promise<void> {
  const name = nameOf(jws, jwk)
  if (verified.has(name) || jws.alg !== algorithmOf(jwk) || jws.signature.byteLength !== SIGNATURE_BYTES)
    return Promise.resolve()
  const already = underWay.get(name)
  if (already !== undefined) return already
  const looking = lookAt(jws, jwk, name).finally(() => underWay.delete(name))
  underWay.set(name, looking)
  return looking
}

const underWay = new Map<string, Promise<void>>()

function lookAt(jws: UnverifiedJws, jwk: PublicJwk, name: string): Promise<void> {
  return new Promise((resolve) => {
    const told = (error: Error | null, holds: boolean): void => {
      if (error === null && holds) remember(name)
      resolve()
    }
    try {
      const data = Buffer.from(jws.signingInput, 'latin1')
      const key = importPublic(jwk)
      if (jwk.kty === 'EC') verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, jws.signature, told)
      else verify(null, data, key, jws.signature, told)
    } catch {
      resolve()
    }
  })
}

/** A slice of the message itself would keep the whole message as long as its name is known. */
const nameOf = ({ digest, signature }: UnverifiedJws, jwk: PublicJwk): string =>
  `${thumbprint(jwk)}${digest}${signature.toString('latin1')}`

function remember(name: string): void {
  verified.add(name)
  if (verified.size > VERIFIED_MAX) verified.delete(verified.values().next().value as string)
}

const SIGNATURE_BYTES = 64

/** ES256 signatures are 64 bytes r‖s, Ed25519 ones 64 bytes. Never throws on hostile signatures. */
export function verifies(data: Uint8Array, signature: Uint8Array, jwk: PublicJwk): boolean {
  if (signature.byteLength !== SIGNATURE_BYTES) return false
  const key = importPublic(jwk)
  try {
    return jwk.kty === 'EC'
      ? verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature)
      : verify(null, data, key, signature)
  } catch {
    return false
  }
}

/** Signs claims as compact JWS. */
export function signJws(signer: Signer, typ: string, claims: object): Promise<string> {
  return signPayload(signer, typ, JSON.stringify(claims))
}

/** Signs the JSON text of claims as compact JWS. */
export async function signPayload(signer: Signer, typ: string, json: string): Promise<string> {
  const header = toBase64url(JSON.stringify({ alg: signer.alg, kid: signer.kid, typ }))
  const input = `${header}.${toBase64url(json)}`
  return `${input}.${toBase64url(await signer.sign(Buffer.from(input)))}`
}
