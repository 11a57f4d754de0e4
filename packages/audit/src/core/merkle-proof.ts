import { HASH_BYTES, nodeHash, sameHash } from './merkle.ts'

/** Leaves `start` (inclusive) to `end` (exclusive). */
export interface LeafRange {
  readonly start: number
  readonly end: number
}

/** Resolves the Merkle Tree Hash of a range of leaves, from memory or from tiles. */
export type RangeHash = (range: LeafRange) => Promise<Uint8Array>

/** What an inclusion proof of leaf `index` in a tree of `size` consists of, from the leaf to the root (RFC 6962 section 2.1.1). */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  requireIndex(index, size)
  const ranges: LeafRange[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const middle = start + splitOf(end - start)
    if (index < middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.toReversed()
}

/** What a consistency proof between the trees of `older` and `size` leaves consists of (RFC 6962 section 2.1.2). */
export function consistencyRanges(older: number, size: number): LeafRange[] {
  requireSize(size)
  if (!Number.isSafeInteger(older) || older < 0 || older > size) throw new RangeError(`no tree of ${older} in ${size}`)
  if (older === 0 || older === size) return []
  const ranges: LeafRange[] = []
  let [start, end] = [0, size]
  while (end > older || start > 0) {
    if (end === older) {
      ranges.push({ start, end })
      break
    }
    const middle = start + splitOf(end - start)
    if (older <= middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.toReversed()
}

/** Proof that a leaf stands at `index` of the tree of `size` leaves: hashes from the leaf to the root. */
export async function proveInclusion(index: number, size: number, hashOf: RangeHash): Promise<Uint8Array[]> {
  return await Promise.all(inclusionRanges(index, size).map(hashOf))
}

/** Proof that the tree of `older` leaves is the beginning of the tree of `size` leaves. */
export async function proveConsistency(older: number, size: number, hashOf: RangeHash): Promise<Uint8Array[]> {
  return await Promise.all(consistencyRanges(older, size).map(hashOf))
}

export interface Inclusion {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

/** RFC 9162 section 2.1.3.2. */
export function verifyInclusion({ index, size, leaf, proof, root }: Inclusion): boolean {
  if (!isSize(size) || !isSize(index) || index >= size || !areHashes([leaf, ...proof])) return false
  let [fn, sn, r] = [index, size - 1, leaf]
  for (const p of proof) {
    if (sn === 0) return false
    const step = climb(fn, sn)
    r = step.onRight ? nodeHash(p, r) : nodeHash(r, p)
    fn = step.fn
    sn = step.sn
  }
  return sn === 0 && sameHash(r, root)
}

export interface Consistency {
  readonly older: number
  readonly olderRoot: Uint8Array
  readonly size: number
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** RFC 9162 section 2.1.4.2. The empty tree is the beginning of every tree, with an empty proof; its root is the caller's to check. */
export function verifyConsistency({ older, olderRoot, size, root, proof }: Consistency): boolean {
  if (!isSize(size) || !isSize(older) || older > size || !areHashes([olderRoot, ...proof])) return false
  if (older === size) return proof.length === 0 && sameHash(olderRoot, root)
  if (older === 0) return proof.length === 0
  const [first, ...rest] = isPowerOfTwo(older) ? [olderRoot, ...proof] : proof
  if (first === undefined) return false
  let [fn, sn] = [older - 1, size - 1]
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)]
  let [fr, sr] = [first, first]
  for (const c of rest) {
    if (sn === 0) return false
    const step = climb(fn, sn)
    if (step.onRight) [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)]
    else sr = nodeHash(sr, c)
    fn = step.fn
    sn = step.sn
  }
  return sn === 0 && sameHash(fr, olderRoot) && sameHash(sr, root)
}

/** One step of both loops: whether the proof's hash is the left sibling, and the indexes one level up. */
function climb(fn: number, sn: number): { readonly onRight: boolean; readonly fn: number; readonly sn: number } {
  const onRight = fn % 2 === 1 || fn === sn
  if (onRight) while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)]
  return { onRight, fn: half(fn), sn: half(sn) }
}

// Sizes are at most 2^53, so bit operators (32 bits) must not be used on them.
const half = (n: number): number => Math.floor(n / 2)
const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
/** Anything shorter would be filled up with whatever lies in memory. */
const areHashes = (hashes: readonly Uint8Array[]): boolean => hashes.every(({ length }) => length === HASH_BYTES)

function isPowerOfTwo(n: number): boolean {
  return n === 1 || splitOf(n) * 2 === n
}

/** The largest power of two smaller than n, for n of at least 2. */
function splitOf(n: number): number {
  let k = 1
  while (k * 2 < n) k *= 2
  return k
}

function requireSize(size: number): void {
  if (!isSize(size)) throw new RangeError(`${size} is not the size of a tree`)
}

function requireIndex(index: number, size: number): void {
  requireSize(size)
  if (!isSize(index) || index >= size) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
}
