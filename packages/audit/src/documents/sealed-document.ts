import { createCipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type EventDocument, Fault, isFault } from '@writ/contracts'
import { digestOf, fromBase64url, parseIJson, toBase64url } from '@writ/keys'
import { compactDecrypt } from 'jose'
import type { SubjectKey } from './subject-keys.ts'

/**
 * The member of the JWE header that commits to the key. AES-GCM does not: without it one ciphertext could be made to open to two
 * texts under two keys. `HMAC-SHA256(key, 'writ key commitment v1')`, base64url.
 */
const COMMITMENT = 'kcv'
const IV_BYTES = 12

/** A signed message as JWE (RFC 7516 compact, `dir`, `A256GCM`) under a subject key: destroying the key erases it. */
export async function sealDocument(typ: string, jws: string, { kid, key }: SubjectKey): Promise<EventDocument> {
  const header = toBase64url(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid, [COMMITMENT]: commitment(key) }))
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(header))
  const text = Buffer.concat([cipher.update(jws, 'utf8'), cipher.final()])
  // RFC 7516: with `dir` the second part, the encrypted key, is empty.
  const jwe = [header, '', toBase64url(iv), toBase64url(text), toBase64url(cipher.getAuthTag())].join('.')
  return { typ, digest: digestOf(jws), jwe }
}

/** `sealed`: there is no such key any more, or what is there is another one. That is no damage. */
export type OpenedDocument = { readonly state: 'open'; readonly jws: string } | { readonly state: 'sealed' }

/**
 * The signed message of an event's document. Its signature is not verified here. Throws Fault `malformed` when the JWE is damaged, and
 * `chain_broken` when what is inside is not the message that the event names.
 */
export async function openDocument(
  document: EventDocument,
  keyOf: (kid: string) => Uint8Array | undefined,
): Promise<OpenedDocument> {
  if ((document.jws === undefined) === (document.jwe === undefined)) {
    throw new Fault('malformed', { message: 'A document is either open or sealed.' })
  }
  const jws = document.jws ?? (await decrypt(document.jwe ?? '', keyOf))
  if (jws === undefined) return { state: 'sealed' }
  if (digestOf(jws) !== document.digest || typOf(jws) !== document.typ) {
    throw new Fault('chain_broken', { message: 'A document is not the one that its event names.' })
  }
  return { state: 'open', jws }
}

/** Whether one of these keys is the one that a JWE was sealed with. Only its header is looked at: it may be damaged all the same. */
export function isOpenTo(jwe: string, keyOf: (kid: string) => Uint8Array | undefined): boolean {
  try {
    const { kid, [COMMITMENT]: committed } = parseIJson(fromBase64url(jwe.split('.', 1)[0] ?? ''))
    const key = typeof kid === 'string' ? keyOf(kid) : undefined
    return key !== undefined && typeof committed === 'string' && equal(commitment(key), committed)
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

async function decrypt(jwe: string, keyOf: (kid: string) => Uint8Array | undefined): Promise<string | undefined> {
  // One text for each document: a last character may not differ in the bits that nobody reads.
  const [header = Buffer.alloc(0)] = jwe.split('.').map(fromBase64url)
  const { alg, enc, kid, [COMMITMENT]: committed, ...others } = parseIJson(header)
  const known = alg === 'dir' && enc === 'A256GCM' && Object.keys(others).length === 0
  if (!known || typeof kid !== 'string' || typeof committed !== 'string') {
    throw new Fault('malformed', { message: 'A sealed document has another header than ours.' })
  }
  const key = keyOf(kid)
  if (key === undefined || !equal(commitment(key), committed)) return undefined
  try {
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return Buffer.from(plaintext).toString('latin1')
  } catch (cause) {
    throw new Fault('malformed', { message: 'A sealed document is damaged.', cause })
  }
}

function commitment(key: Uint8Array): string {
  return createHmac('sha256', key).update('writ key commitment v1').digest('base64url')
}

function equal(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

function typOf(jws: string): unknown {
  return parseIJson(fromBase64url(jws.split('.', 1)[0] ?? ''))['typ']
}
