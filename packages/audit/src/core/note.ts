import { Fault } from '@writ/contracts'

export {
  cosignedText,
  formatVkey,
  NOTE_COSIGNATURE,
  NOTE_ECDSA,
  NOTE_ED25519,
  type NoteVerifier,
  noteVerifier,
  parseVkey,
  spkiOfP256,
  timedSignature,
} from './note-key.ts'

import { decodeBase64, isKeyName, NOTE_COSIGNATURE, type NoteVerifier, verifyNoteSignature } from './note-key.ts'

// C2SP signed note 1.0.0. Signatures of keys and types that are not known are other readers' and are ignored.

const SIGNATURES_MAX = 64
const NOTE_BYTES_MAX = 65_536

/** Who cosigned, and when by that clock. */
export interface Cosignature {
  readonly verifier: NoteVerifier
  readonly timeSeconds: number
}

/** What a signed note says once at least one known signature verified. */
export interface OpenedNote {
  /** Ends in LF. */
  readonly text: string
  readonly verifiedBy: readonly NoteVerifier[]
  /** Those of `verifiedBy` whose signatures say a time, in the order of their lines. */
  readonly cosignatures: readonly Cosignature[]
}

const malformed = (message: string): Fault => new Fault('malformed', { message })

/** A signed note. `signature`: what follows the key id, in the form of the verifier's type. */
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
  const verifiedBy: NoteVerifier[] = []
  const cosignatures: Cosignature[] = []
  for (const { name, keyId, signature } of signatures) {
    const verifier = known.find((key) => key.name === name && key.keyId === keyId)
    if (verifier === undefined) continue
    const said = verifyNoteSignature(verifier, text, signature)
    if (said === undefined) throw new Fault('bad_signature', { message: 'A signature of the note does not verify.' })
    verifiedBy.push(verifier)
    if (verifier.type === NOTE_COSIGNATURE) cosignatures.push({ verifier, timeSeconds: said.timeSeconds ?? 0 })
  }
  if (verifiedBy.length === 0) throw new Fault('unknown_key', { message: 'No known key has signed the note.' })
  return { text, verifiedBy, cosignatures }
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
