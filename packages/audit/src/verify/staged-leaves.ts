import { createHash } from 'node:crypto'
import { leafHash } from '../core/merkle.ts'
import { decodeStaged } from '../log/seal.ts'

/** Number of a staged batch's seal, and a hash over the hashes of its leaves. */
export interface StagedLeaves {
  readonly n: number
  readonly leaves: Uint8Array
}

const ENTRIES = Buffer.from(',"entries":["')
const END = Buffer.from('"]}\n')
const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]

/** Undefined where the bytes have not a batch's form. */
export function stagedLeaves(bytes: Uint8Array): StagedLeaves | undefined {
  try {
    const { n, entries } = decodeStaged(bytes)
    const hash = createHash('sha256')
    for (const entry of entries) hash.update(leafHash(Buffer.from(entry, 'latin1')))
    return { n, leaves: hash.digest() }
  } catch {
    return undefined
  }
}

/**
 * The same from the bytes as our writer makes them, without a string for each entry: batches are as large as the log itself. Undefined where they were not
 * made so, which says nothing against them.
 */
export function stagedLeavesAsWritten(bytes: Uint8Array): StagedLeaves | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = text.indexOf(ENTRIES)
  const end = text.length - END.length
  if (start < 0 || text.indexOf(END, end) !== end || text.includes(BACKSLASH)) return undefined
  const head = stagedLeaves(Buffer.concat([text.subarray(0, start), Buffer.from(',"entries":[]}\n')]))
  if (head === undefined) return undefined
  const hash = createHash('sha256')
  for (let at = start + ENTRIES.length; ; ) {
    const quote = text.indexOf(QUOTE, at)
    hash.update(leafHash(text.subarray(at, quote)))
    if (quote === end) return { n: head.n, leaves: hash.digest() }
    if (quote < 0 || text[quote + 1] !== COMMA || text[quote + 2] !== QUOTE) return undefined
    at = quote + 3
  }
}
