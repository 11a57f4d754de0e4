import { Fault } from '@writ/contracts'

/** Unpadded base64url (RFC 4648 section 5) of bytes or of UTF-8 text. */
export function toBase64url(data: Uint8Array | string): string {
  return (
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  ).toString('base64url')
}

const ALPHABET = /^[A-Za-z0-9_-]*$/

/** Decodes unpadded base64url. Throws Fault `malformed` unless the text is canonical: one text for each byte string. */
export function fromBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  // Whatever is not of the alphabet is passed over or translated in decoding, so it does not come back either.
  if (bytes.toString('base64url') === text) return bytes
  throw new Fault('malformed', { message: ALPHABET.test(text) ? 'Not canonical base64url.' : 'Not base64url.' })
}
