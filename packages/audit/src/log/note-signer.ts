import type { Signer } from '@writ/keys'
import { type NoteVerifier, noteVerifier } from '../core/note.ts'

/** Signs notes with the log's key, under whatever name the epoch gives it. */
export interface NoteSigner {
  verifier(origin: string): NoteVerifier
  /** 64 raw bytes over the note's text. Throws Fault `unavailable` when the key does not answer. */
  sign(text: string): Promise<Uint8Array>
}

/** Throws RangeError for a key that is not Ed25519: other tools read checkpoints of that kind alone. */
export function noteSignerOf(signer: Signer): NoteSigner {
  const { jwk } = signer
  if (jwk.kty !== 'OKP') throw new RangeError('The log key must be Ed25519.')
  const publicKey = Buffer.from(jwk.x, 'base64url')
  return {
    verifier: (origin) => noteVerifier(origin, publicKey),
    sign: async (text) => await signer.sign(Buffer.from(text)),
  }
}
