import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { Fault } from '@writ/contracts'

// C2SP signed note 1.0.0 with signature type 0x01 (Ed25519 over the text). Other types are other keys' and are ignored.

const ED25519 = 1
const ED25519_KEY_BYTES = 32
const SIGNATURES_MAX = 64
const NOTE_BYTES_MAX = 65_536
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex')

/** A key that notes are checked with, as parsed from its vkey text. */
export interface NoteVerifier {
  readonly name: string
  /** First 4 bytes of SHA-256(name || LF || 0x01 || key), as a number. */
  readonly keyId: number
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
}

/** What a signed note says once at least one known signature verified. */
export interface OpenedNote {
  /** Ends in LF. */
  readonly text: string
  readonly verifiedBy: readonly NoteVerifier[]
}

const malformed = (message: string): Fault => new Fault('malformed', { message })

/** Key names: not empty, no Unicode space, no plus sign. */
export function isKeyName(name: string): boolean {
  return name.length > 0 && !/[\s+\p{White_Space}]/u.test(name) && name.isWellFormed()
}

/** Makes the verifier of a key under a name. Throws RangeError for a name or a key that notes cannot have. */
export function noteVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  if (!isKeyName(name)) throw new RangeError('not the name of a note key')
  if (publicKey.length !== ED25519_KEY_BYTES) throw new RangeError('an Ed25519 public key has 32 bytes')
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Uint8Array.of(ED25519), publicKey]), 'buffer')
  return { name, keyId: id.readUInt32BE(0), publicKey }
}

/** `name+hex8(keyID)+base64(0x01 || key)`. */
export function formatVkey({ name, keyId, publicKey }: NoteVerifier): string {
  const id = keyId.toString(16).padStart(8, '0')
  return `${name}+${id}+${Buffer.concat([Uint8Array.of(ED25519), publicKey]).toString('base64')}`
}

/** Throws Fault `malformed` unless the text is a vkey of type 0x01 whose key id is that of its name and key. */
export function parseVkey(vkey: string): NoteVerifier {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(vkey)
  if (parts === null) throw malformed('not a vkey')
  const [, name = '', id = '', key = ''] = parts
  const bytes = decodeBase64(key)
  if (bytes === undefined || bytes.length !== 1 + ED25519_KEY_BYTES || bytes[0] !== ED25519 || !isKeyName(name)) {
    throw malformed('not a vkey of an Ed25519 key')
  }
  const verifier = noteVerifier(name, bytes.subarray(1))
  if (verifier.keyId !== Number.parseInt(id, 16))
    throw malformed('the key id of a vkey is not that of its name and key')
  return verifier
}

/** A note with one signature more. `signature` is the 64 raw bytes over the UTF-8 text. */
export function formatNote(
  text: string,
  signatures: readonly { verifier: NoteVerifier; signature: Uint8Array }[],
): string {
  requireText(text)
  const lines = signatures.map(({ verifier, signature }) => {
    const id = Buffer.allocUnsafe(4)
    id.writeUInt32BE(verifier.keyId)
    return `— ${verifier.name} ${Buffer.concat([id, signature]).toString('base64')}\n`
  })
  return `${text}\n${lines.join('')}`
}

/**
 * Opens a signed note. Signatures of unknown keys are ignored; each of a known key must verify, and one must be there.
 * Throws Fault `malformed` (not a note), `bad_signature` (one of a known key does not verify) or `unknown_key` (none is known).
 */
export function openNote(note: string, known: readonly NoteVerifier[]): OpenedNote {
  const { text, signatures } = splitNote(note)
  const message = Buffer.from(text)
  const verifiedBy: NoteVerifier[] = []
  for (const { name, keyId, signature } of signatures) {
    const verifier = known.find((key) => key.name === name && key.keyId === keyId)
    if (verifier === undefined) continue
    if (!verify(null, message, keyObject(verifier), signature))
      throw new Fault('bad_signature', { message: 'A signature of the note does not verify.' })
    verifiedBy.push(verifier)
  }
  if (verifiedBy.length === 0) throw new Fault('unknown_key', { message: 'No known key has signed the note.' })
  return { text, verifiedBy }
}

interface NoteSignature {
  readonly name: string
  readonly keyId: number
  readonly signature: Uint8Array
}

function splitNote(note: string): { readonly text: string; readonly signatures: readonly NoteSignature[] } {
  if (note.length > NOTE_BYTES_MAX) throw malformed('a note is too long')
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n')) throw malformed('not a signed note')
  const text = note.slice(0, end + 1)
  requireText(text)
  const lines = note.slice(end + 2, -1).split('\n')
  if (lines.length > SIGNATURES_MAX) throw malformed('a note has too many signatures')
  return { text, signatures: lines.map(parseSignature) }
}

function parseSignature(line: string): NoteSignature {
  const parts = /^— (\S+) (\S+)$/u.exec(line)
  const [, name = '', blob = ''] = parts ?? []
  const bytes = decodeBase64(blob)
  if (!isKeyName(name) || bytes === undefined || bytes.length < 5) throw malformed('not the signature line of a note')
  return { name, keyId: bytes.readUInt32BE(0), signature: bytes.subarray(4) }
}

function requireText(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the specification forbids
  if (!text.endsWith('\n') || !text.isWellFormed() || /[\u0000-\u0009\u000b-\u001f]/.test(text))
    throw malformed('not the text of a note')
}

/** Standard base64 with padding, in its one canonical form; else undefined. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return text.length > 0 && bytes.toString('base64') === text ? bytes : undefined
}

function keyObject({ publicKey }: NoteVerifier): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_ED25519, publicKey]), format: 'der', type: 'spki' })
}
