import { Fault } from '@writ/contracts'
import { HASH_BYTES } from './merkle.ts'
import { openNote } from './note.ts'
import { decodeBase64, isKeyName, NOTE_COSIGNATURE, type NoteVerifier } from './note-key.ts'

/** What a log signs: at this size it had this root (C2SP tlog-checkpoint 1.0.0). */
export interface Checkpoint {
  /** Name of the log, equal to its key's name. */
  readonly origin: string
  readonly size: number
  /** RFC 6962 root, 32 bytes. */
  readonly root: Uint8Array
  /** Opaque lines of others; our logs have none. */
  readonly extensions: readonly string[]
}

/** The text to sign. */
export function formatCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  if (!isKeyName(origin)) throw new RangeError('not an origin')
  const lines = [origin, String(size), Buffer.from(root).toString('base64'), ...extensions]
  return lines.map((line) => `${line}\n`).join('')
}

/** Throws Fault `malformed` for anything that is not the text of a checkpoint in its one form. Says nothing about who signed it. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...extensions] = text.slice(0, -1).split('\n')
  const bytes = decodeBase64(root)
  const fits = text.endsWith('\n') && origin.length > 0 && /^(0|[1-9][0-9]{0,15})$/.test(size)
  if (!fits || !Number.isSafeInteger(Number(size)) || bytes?.length !== HASH_BYTES || extensions.includes('')) {
    throw new Fault('malformed', { message: 'Not the text of a checkpoint.' })
  }
  return { origin, size: Number(size), root: bytes, extensions }
}

/** A checkpoint that its log has signed. */
export interface OpenedCheckpoint extends Checkpoint {
  /** When, in Unix seconds, by the clock of the log's own cosigner; absent where none is known that signed it and says a time. */
  readonly signedTimeSeconds?: number
}

/**
 * Opens a signed checkpoint: signed by a known log key whose name is its origin. A cosignature alone does not do: it says when, not whose log it is.
 * Faults of `openNote` and `parseCheckpoint`; `unknown_key` too where the only known signers have other names than the origin.
 */
export function openCheckpoint(note: string, known: readonly NoteVerifier[]): OpenedCheckpoint {
  const { text, verifiedBy, cosignatures } = openNote(note, known)
  const checkpoint = parseCheckpoint(text)
  const { origin } = checkpoint
  if (!verifiedBy.some(({ name, type }) => name === origin && type !== NOTE_COSIGNATURE)) {
    throw new Fault('unknown_key', { message: 'The log that the checkpoint names has not signed it.' })
  }
  const times = cosignatures.flatMap(({ verifier, timeSeconds }) =>
    verifier.name === origin && timeSeconds > 0 ? [timeSeconds] : [],
  )
  return times.length === 0 ? checkpoint : { ...checkpoint, signedTimeSeconds: Math.max(...times) }
}
