import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EMPTY_ROOT, leafHash, merkleRoot } from './merkle.ts'
import { proveConsistency, proveInclusion, type RangeHash, verifyConsistency, verifyInclusion } from './merkle-proof.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// The reference set of certificate transparency (transparency-dev/merkle, testonly/constants.go).
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
// The leaves of its build script, spelt as there.
const WORDS = 'one two three four five six seven eit nain ten ileven twelf threeten fourten fivten'.split(' ')

describe('known roots', () => {
  test.each(ROOTS.map((root, size) => ({ root, size })))('of the reference set, size $size', ({ root, size }) => {
    const leaves = LEAVES.slice(0, size).map((leaf) => leafHash(Buffer.from(leaf, 'hex')))
    expect(hex(merkleRoot(leaves))).toBe(root)
  })

  test.each([
    [7, 'IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U='],
    [14, 'SvCd38yNade7xEPY1a/aAc1M3A2AHYVF8lIiUnsH1ao='],
    [15, 'rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs='],
  ])('of the Tessera test log at size %i', (size, root) => {
    const leaves = WORDS.slice(0, size).map((word) => leafHash(Buffer.from(word)))
    expect(Buffer.from(merkleRoot(leaves)).toString('base64')).toBe(root)
  })

  test('of the empty log', () => {
    expect(hex(EMPTY_ROOT)).toBe(ROOTS[0])
  })
})

const leavesOf = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, at) => leafHash(Buffer.from(`leaf ${at}`)))
const rangesOf =
  (leaves: readonly Uint8Array[]): RangeHash =>
  async ({ start, end }) =>
    merkleRoot(leaves.slice(start, end))

function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[(bit >> 3) % copy.length] = (copy[(bit >> 3) % copy.length] as number) ^ (1 << (bit & 7))
  return copy
}

/** Everything near a proof that must not pass: each hash changed, one more, one less, two swapped. */
function mutations(proof: readonly Uint8Array[], bit: number): Uint8Array[][] {
  const changed = proof.map((hash, at) => proof.with(at, flipBit(hash, bit)))
  const extra = leafHash(Buffer.from('extra'))
  const more = [
    [extra, ...proof],
    [...proof, extra],
  ]
  const fewer = proof.length === 0 ? [] : [proof.slice(1), proof.slice(0, -1)]
  const swapped = proof.length < 2 ? [] : [[...proof.slice(-1), ...proof.slice(1, -1), ...proof.slice(0, 1)]]
  return [...changed, ...more, ...fewer, ...swapped]
}

const sizes = fc.integer({ min: 1, max: 600 })
const bit = fc.integer({ min: 0, max: 255 })

test('an inclusion proof of any leaf at any size verifies, and no mutation of it does', async () => {
  const cases = sizes.chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }), bit))
  await fc.assert(
    fc.asyncProperty(cases, async ([size, index, flipped]) => {
      const leaves = leavesOf(size)
      const proof = await proveInclusion(index, size, rangesOf(leaves))
      const good = { index, size, leaf: leaves[index] as Uint8Array, proof, root: merkleRoot(leaves) }
      expect(verifyInclusion(good)).toBe(true)
      for (const bad of mutations(proof, flipped)) expect(verifyInclusion({ ...good, proof: bad })).toBe(false)
      expect(verifyInclusion({ ...good, leaf: flipBit(good.leaf, flipped) })).toBe(false)
      expect(verifyInclusion({ ...good, root: flipBit(good.root, flipped) })).toBe(false)
      for (const other of [index - 1, index + 1, size]) expect(verifyInclusion({ ...good, index: other })).toBe(false)
    }),
    { numRuns: 60 },
  )
})

test('a consistency proof between any two sizes verifies, and no mutation of it does', async () => {
  const cases = sizes.chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size }), bit))
  await fc.assert(
    fc.asyncProperty(cases, async ([size, older, flipped]) => {
      const leaves = leavesOf(size)
      const proof = await proveConsistency(older, size, rangesOf(leaves))
      const [olderRoot, root] = [merkleRoot(leaves.slice(0, older)), merkleRoot(leaves)]
      const good = { older, olderRoot, size, root, proof }
      expect(verifyConsistency(good)).toBe(true)
      for (const bad of mutations(proof, flipped)) expect(verifyConsistency({ ...good, proof: bad })).toBe(false)
      expect(verifyConsistency({ ...good, olderRoot: flipBit(olderRoot, flipped) })).toBe(false)
      expect(verifyConsistency({ ...good, root: flipBit(root, flipped) })).toBe(false)
      if (older !== size) expect(verifyConsistency({ ...good, older: size, size: older })).toBe(false)
    }),
    { numRuns: 60 },
  )
})

test('the proofs of small trees have exactly the hashes of RFC 6962 section 2.1.3', async () => {
  const leaves = leavesOf(7)
  const ranges: string[] = []
  const spy: RangeHash = async (range) => {
    ranges.push(`${range.start}-${range.end}`)
    return await rangesOf(leaves)(range)
  }
  await proveInclusion(3, 7, spy)
  expect(ranges.splice(0)).toEqual(['2-3', '0-2', '4-7'])
  await proveInclusion(6, 7, spy)
  expect(ranges.splice(0)).toEqual(['4-6', '0-4'])
  await proveConsistency(3, 7, spy)
  expect(ranges.splice(0)).toEqual(['2-3', '3-4', '0-2', '4-7'])
  await proveConsistency(4, 7, spy)
  expect(ranges.splice(0)).toEqual(['4-7'])
  await proveConsistency(6, 7, spy)
  expect(ranges.splice(0)).toEqual(['4-6', '6-7', '0-4'])
})

test('the empty tree is the beginning of every tree, with no proof', async () => {
  const leaves = leavesOf(3)
  expect(await proveConsistency(0, 3, rangesOf(leaves))).toEqual([])
  const good = { older: 0, olderRoot: EMPTY_ROOT, size: 3, root: merkleRoot(leaves), proof: [] }
  expect(verifyConsistency(good)).toBe(true)
  expect(verifyConsistency({ ...good, proof: [EMPTY_ROOT] })).toBe(false)
})

test.each([-1, 1.5, 2 ** 53, Number.NaN])('refuses sizes that no tree has: %s', (size) => {
  const root = EMPTY_ROOT
  expect(verifyInclusion({ index: 0, size, leaf: root, proof: [], root })).toBe(false)
  expect(verifyConsistency({ older: size, olderRoot: root, size, root, proof: [] })).toBe(false)
})

test('proofs work above 2^32 leaves', () => {
  // A tree in which every leaf is the same has one hash a level, so a huge one can be known.
  const levels: Uint8Array[] = [leafHash(Buffer.from('same'))]
  for (let height = 1; height <= 40; height++)
    levels.push(merkleRoot([levels[height - 1] as Uint8Array, levels[height - 1] as Uint8Array]))
  const [leaf, root] = [levels[0] as Uint8Array, levels[40] as Uint8Array]
  const proof = levels.slice(0, 40)
  expect(verifyInclusion({ index: 2 ** 39 + 12_345, size: 2 ** 40, leaf, proof, root })).toBe(true)
  expect(verifyInclusion({ index: 2 ** 39 + 12_345, size: 2 ** 40, leaf, proof: proof.slice(1), root })).toBe(false)
})
