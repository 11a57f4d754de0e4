import { Fault, type PublicJwk } from '@writ/contracts'
import { ecdsaToDer, fromBase64url, type KmsKey, type Signer } from '@writ/keys'
import {
  cosignedText,
  formatNote,
  NOTE_COSIGNATURE,
  NOTE_ECDSA,
  NOTE_ED25519,
  type NoteVerifier,
  noteVerifier,
  spkiOfP256,
  timedSignature,
} from '../core/note.ts'

/** Signs notes with the log's keys, under whatever name the epoch gives them. */
export interface NoteSigner {
  /** Of the log's own key, whose signature makes a checkpoint the log's. */
  verifier(origin: string): NoteVerifier
  /** That one, and the cosigner's where there is one. */
  verifiers(origin: string): readonly NoteVerifier[]
  /** What stands after the key id in the line of the log's own key. Throws Fault `unavailable` when the key does not answer. */
  sign(text: string): Promise<Uint8Array>
  /**
   * The note with all its signature lines, the log's own first. Throws Fault `unavailable` when one of the keys does not answer: a checkpoint is written
   * once, so one without its time would stay so.
   */
  note(origin: string, text: string): Promise<string>
  /** Where its keys are, of those in KMS. */
  readonly kms: { readonly log: KmsKey | undefined; readonly cosigner: KmsKey | undefined }
}

export interface Cosigner {
  readonly signer: Signer
  /** The clock whose time is signed, in Unix seconds. */
  readonly nowSeconds: () => number
}

/** The verifier of a log key under a name: Ed25519 (type 0x01), which all tools read, or P-256 (0x02). */
export function logVerifier(name: string, jwk: PublicJwk): NoteVerifier {
  return jwk.kty === 'OKP'
    ? noteVerifier(name, fromBase64url(jwk.x), NOTE_ED25519)
    : noteVerifier(name, spkiOfP256(fromBase64url(jwk.x), fromBase64url(jwk.y)), NOTE_ECDSA)
}

/** The verifier of a key that signs times (0x04) under a name. Throws Fault `malformed` unless it is Ed25519. */
export function cosignerVerifier(name: string, jwk: PublicJwk): NoteVerifier {
  if (jwk.kty !== 'OKP') throw new Fault('malformed', { message: 'The cosigning key must be Ed25519.' })
  return noteVerifier(name, fromBase64url(jwk.x), NOTE_COSIGNATURE)
}

/**
 * Throws Fault `malformed` where both would be one key: a signature of one kind could then be shown as one of the other, and a cosignature does not name
 * its log.
 */
export function noteSignerOf(signer: Signer, cosigner?: Cosigner): NoteSigner {
  if (cosigner?.signer.kid === signer.kid)
    throw new Fault('malformed', { message: 'The cosigning key is the log key; it must be another one.' })
  const verifier = (origin: string): NoteVerifier => logVerifier(origin, signer.jwk)
  const sign = async (text: string): Promise<Uint8Array> => {
    const signature = await signer.sign(Buffer.from(text))
    return signer.alg === 'ES256' ? ecdsaToDer(signature) : signature
  }
  const lines = [async (origin: string, text: string) => ({ verifier: verifier(origin), signature: await sign(text) })]
  if (cosigner !== undefined) lines.push((origin, text) => cosign(cosigner, origin, text))
  const { jwk } = cosigner?.signer ?? {}
  return {
    verifier,
    verifiers: (origin) => [verifier(origin), ...(jwk === undefined ? [] : [cosignerVerifier(origin, jwk)])],
    sign,
    note: async (origin, text) => formatNote(text, await Promise.all(lines.map((line) => line(origin, text)))),
    kms: { log: signer.kms, cosigner: cosigner?.signer.kms },
  }
}

async function cosign(
  { signer, nowSeconds }: Cosigner,
  origin: string,
  text: string,
): Promise<{ verifier: NoteVerifier; signature: Uint8Array }> {
  const timeSeconds = nowSeconds()
  const signature = await signer.sign(Buffer.from(cosignedText(timeSeconds, text)))
  return { verifier: cosignerVerifier(origin, signer.jwk), signature: timedSignature(timeSeconds, signature) }
}
