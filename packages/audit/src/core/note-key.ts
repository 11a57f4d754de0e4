import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { Fault } from '@writ/contracts'

// Keys of C2SP signed notes 1.0.0: what a vkey names, and what verifies with it.

/** Signature types. What a signature is over, and what it says beyond that, follows from the type of its key. */
export const NOTE_ED25519 = 1
/** ECDSA P-256 over SHA-256 of the text: for places whose KMS has no Ed25519. Only some tools read it. */
export const NOTE_ECDSA = 2
/** `cosignature/v1` (C2SP tlog-cosignature): Ed25519 over the time of signing and a checkpoint. */
export const NOTE_COSIGNATURE = 4
export type NoteKeyType = typeof NOTE_ED25519 | typeof NOTE_ECDSA | typeof NOTE_COSIGNATURE

/** A key that notes are checked with, as parsed from its vkey text. */
export interface NoteVerifier {
  readonly name: string
  readonly type: NoteKeyType
  /** First 4 bytes of SHA-256(name || LF || type || key), of an ECDSA key of SHA-256(key), as a number. */
  readonly keyId: number
  /** Ed25519: the raw key, 32 bytes. ECDSA: SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
}

const ED25519_KEY_BYTES = 32
const TIME_BYTES = 8
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')
/** SubjectPublicKeyInfo of a P-256 key, up to the two coordinates of an uncompressed point. */
const SPKI_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')
const P256_POINT_BYTES = 64

/** Key names: not empty, no Unicode space, no plus sign. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && !/[\s+\p{White_Space}]/u.test(name) && name.isWellFormed()
}

/** Makes the verifier of a key under a name. Throws RangeError for a name or a key that notes cannot have. */
export function noteVerifier(name: string, publicKey: Uint8Array, type: NoteKeyType = NOTE_ED25519): NoteVerifier {
  if (!isKeyName(name)) throw new RangeError('not the name of a note key')
  if (type === NOTE_ECDSA ? !isP256(publicKey) : publicKey.length !== ED25519_KEY_BYTES)
    throw new RangeError('not a public key of its type')
  const named =
    type === NOTE_ECDSA ? publicKey : Buffer.concat([Buffer.from(`${name}\n`), Uint8Array.of(type), publicKey])
  return { name, type, keyId: hash('sha256', named, 'buffer').readUInt32BE(0), publicKey }
}

/** The same for a key as JWK holds it: P-256 by coordinates. */
export function spkiOfP256(x: Uint8Array, y: Uint8Array): Uint8Array {
  return Buffer.concat([SPKI_P256, x, y])
}

function isP256(spki: Uint8Array): boolean {
  const form =
    spki.length === SPKI_P256.length + P256_POINT_BYTES && SPKI_P256.equals(spki.subarray(0, SPKI_P256.length))
  if (!form) return false
  try {
    keyObject({ type: NOTE_ECDSA, publicKey: spki })
    return true
  } catch {
    return false
  }
}

/** `name+hex8(keyID)+base64(type || key)`. */
export function formatVkey({ name, type, keyId, publicKey }: NoteVerifier): string {
  const id = keyId.toString(16).padStart(8, '0')
  return `${name}+${id}+${Buffer.concat([Uint8Array.of(type), publicKey]).toString('base64')}`
}

/** Throws Fault `malformed` unless the text is a vkey of a type that is known here, whose key id is that of its name and key. */
export function parseVkey(vkey: string): NoteVerifier {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(vkey)
  const [, name = '', id = '', key = ''] = parts ?? []
  const bytes = decodeBase64(key)
  const type = bytes?.[0]
  const known = type === NOTE_ED25519 || type === NOTE_ECDSA || type === NOTE_COSIGNATURE
  let verifier: NoteVerifier | undefined
  try {
    verifier = known && bytes !== undefined ? noteVerifier(name, bytes.subarray(1), type) : undefined
  } catch (cause) {
    throw new Fault('malformed', { message: 'Not a vkey: its name or its key has not the form of its type.', cause })
  }
  if (verifier === undefined)
    throw new Fault('malformed', { message: 'Not a vkey of an Ed25519, ECDSA or cosigning key.' })
  if (verifier.keyId !== Number.parseInt(id, 16))
    throw new Fault('malformed', { message: 'The key id of a vkey is not that of its name and key.' })
  return verifier
}

/** What a verified signature says: of a cosignature, when it was made. */
export interface SignatureWord {
  /** Unix seconds, by the cosigner's clock; 0: it says no time. */
  readonly timeSeconds?: number
}

/** What a signature over a note's text says; undefined where it does not verify. `signature`: what follows the key id. */
export function verifyNoteSignature(
  verifier: NoteVerifier,
  text: string,
  signature: Uint8Array,
): SignatureWord | undefined {
  const { type } = verifier
  if (type === NOTE_COSIGNATURE) return verifyCosignature(verifier, text, signature)
  const holds = verify(type === NOTE_ECDSA ? 'sha256' : null, Buffer.from(text), keyObject(verifier), signature)
  return holds ? {} : undefined
}

function verifyCosignature(verifier: NoteVerifier, text: string, signature: Uint8Array): SignatureWord | undefined {
  if (signature.length <= TIME_BYTES) return undefined
  const time = Buffer.from(signature.subarray(0, TIME_BYTES)).readBigUInt64BE()
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  const timeSeconds = Number(time)
  const signed = Buffer.from(cosignedText(timeSeconds, text))
  return verify(null, signed, keyObject(verifier), signature.subarray(TIME_BYTES)) ? { timeSeconds } : undefined
}

/** What a `cosignature/v1` key signs. */
export function cosignedText(timeSeconds: number, text: string): string {
  return `cosignature/v1\ntime ${timeSeconds}\n${text}`
}

/** What follows the key id of a cosignature. `signature`: 64 bytes over `cosignedText`. */
export function timedSignature(timeSeconds: number, signature: Uint8Array): Uint8Array {
  const time = Buffer.alloc(TIME_BYTES)
  time.writeBigUInt64BE(BigInt(timeSeconds))
  return Buffer.concat([time, signature])
}

/** Standard base64 with padding, in its one canonical form; else undefined. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return text.length > 0 && bytes.toString('base64') === text ? bytes : undefined
}

function keyObject({ type, publicKey }: Pick<NoteVerifier, 'type' | 'publicKey'>): KeyObject {
  const key = Buffer.from(type === NOTE_ECDSA ? publicKey : Buffer.concat([SPKI_ED25519, publicKey]))
  return createPublicKey({ key, format: 'der', type: 'spki' })
}
