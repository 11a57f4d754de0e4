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
  if (!ALPHABET.test(text)) throw new Fault('malformed', { message: 'Not base64url.' })
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) throw new Fault('malformed', { message: 'Not canonical base64url.' })
  return bytes
}
