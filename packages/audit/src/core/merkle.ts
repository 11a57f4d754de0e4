import { hash } from 'node:crypto'

/** Bytes of every hash in the log (SHA-256). */
export const HASH_BYTES = 32

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer')

/** Root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0))

// What is hashed is put together in the same memory each time: a million leaves would else be a million buffers to collect.
const LEAF_INPUT = Buffer.alloc(2 ** 16)
const NODE_INPUT = Buffer.alloc(1 + 2 * HASH_BYTES, 1)

/** Hash of a leaf: SHA-256(0x00 || entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  const fits = entry.length < LEAF_INPUT.length
  const input = fits ? LEAF_INPUT.subarray(0, 1 + entry.length) : Buffer.alloc(1 + entry.length)
  input.set(entry, 1)
  return sha256(input)
}

/** Hash of an inner node: SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  NODE_INPUT.set(left, 1)
  NODE_INPUT.set(right, 1 + HASH_BYTES)
  return sha256(NODE_INPUT)
}

/** Merkle Tree Hash over hashes of leaves, or of equally high full subtrees of which the last may be lower. */
export function merkleRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return EMPTY_ROOT
  let level = hashes
  while (level.length > 1) level = parents(level)
  return level[0] as Uint8Array
}

/** Pairs up one level. An odd last hash rises unchanged: that is RFC 6962's split at the largest power of two. */
function parents(level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = []
  for (let at = 0; at < level.length; at += 2) {
    const [left, right] = [level[at] as Uint8Array, level[at + 1]]
    next.push(right === undefined ? left : nodeHash(left, right))
  }
  return next
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
