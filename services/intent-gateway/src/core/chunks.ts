import { Fault } from '@writ/contracts'

/** A bucket's value with its headers stays under the stream's 64 KiB. */
export const CHUNK_BYTES_MAX = 60_000

/** Text in pieces that a bucket takes. The first says how many there are. ASCII only: everything here is base64url in JSON. */
export function toChunks(text: string): [string, ...string[]] {
  const room = CHUNK_BYTES_MAX - 16
  const pieces: string[] = []
  for (let at = 0; at < text.length; at += room) pieces.push(text.slice(at, at + room))
  const [first = '', ...rest] = pieces
  return [`${pieces.length}\n${first}`, ...rest]
}

/** How many further pieces the first one announces. Throws Fault `internal` on what `toChunks` did not make. */
export function chunksAfter(first: string): { readonly more: number; readonly text: string } {
  const end = first.indexOf('\n')
  const count = Number(first.slice(0, end))
  if (end < 1 || !Number.isSafeInteger(count) || count < 1)
    throw new Fault('internal', { message: 'A stored document cannot be read.' })
  return { more: count - 1, text: first.slice(end + 1) }
}
