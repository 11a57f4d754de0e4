import { Fault } from '@writ/contracts'

/** Unpadded base64url (RFC 4648 section 5) of bytes or of UTF-8 text. */
export function toBase64url(data: Uint8Array | string): string {
  return (
    typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  ).toString('base64url')
}

/** Decodes unpadded base64url. Throws Fault `malformed` unless the text is canonical: one text for each byte string. */
export function fromBase64url(text: string): Buffer {
  return canonical(text, Buffer.from(text, 'base64url'))
}

const SCRATCH = Buffer.alloc(2 ** 16)

/** The same, in memory that the next call uses again: for who is done with the bytes before anything else is decoded. */
export function fromBase64urlOnce(text: string): Buffer {
  if (text.length > SCRATCH.length) return fromBase64url(text)
  return canonical(text, SCRATCH.subarray(0, SCRATCH.write(text, 'base64url')))
}

/** Decoding passes over what is not of the alphabet, which makes fewer bytes, and takes `+` and `/` for `-` and `_`. */
function canonical(text: string, bytes: Buffer): Buffer {
  const rest = text.length % 4
  const whole =
    rest !== 1 && bytes.length === Math.floor((text.length * 3) / 4) && Buffer.byteLength(text) === text.length
  if (!whole || text.includes('+') || text.includes('/')) throw new Fault('malformed', { message: 'Not base64url.' })
  const tail = rest === 0 ? '' : bytes.subarray(1 - rest).toString('base64url')
  if (tail !== text.slice(text.length - rest)) throw new Fault('malformed', { message: 'Not canonical base64url.' })
  return bytes
}
