import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { append, type Edge, EMPTY_EDGE, edgePaths, edgeRoot, readEdge } from './edge.ts'
import { leafHash, merkleRoot } from './merkle.ts'
import { proveConsistency, proveInclusion, verifyConsistency, verifyInclusion } from './merkle-proof.ts'
import { tileHashes } from './tile-hashes.ts'
import { bundlePath, decodeBundle, encodeBundle, fullTiles, levelsOf, partialWidth, tilePath } from './tiles.ts'

const entriesOf = (from: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => Buffer.from(`entry ${from + at}`))

/** A log in memory: what a store would hold after these batches. */
function build(batches: readonly number[]): { edge: Edge; files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>()
  let edge = EMPTY_EDGE
  for (const count of batches) {
    const appended = append(edge, entriesOf(edge.size, count))
    for (const { path, bytes } of appended.objects) {
      expect(files.has(path), `${path} is written once`).toBe(false)
      files.set(path, bytes)
    }
    edge = appended.edge
  }
  return { edge, files }
}

function reader(files: ReadonlyMap<string, Uint8Array>): (path: string) => Uint8Array {
  return (path) => {
    const bytes = files.get(path)
    if (bytes === undefined) throw new Error(`${path} is missing`)
    return bytes
  }
}

describe('paths', () => {
  test('group tile numbers by three digits', () => {
    expect(tilePath(3, 1_234_067)).toBe('tile/3/x001/x234/067')
    expect(tilePath(0, 0)).toBe('tile/0/000')
    expect(tilePath(0, 273, 112)).toBe('tile/0/273.p/112')
    expect(bundlePath(1000, 255)).toBe('tile/entries/x001/000.p/255')
  })

  test.each([[-1], [1.5], [2 ** 53]])('refuse tile number %s', (n) => {
    expect(() => tilePath(0, n)).toThrow(RangeError)
  })

  test('refuse widths that no tile has', () => {
    for (const width of [0, 257, 1.5]) expect(() => bundlePath(0, width)).toThrow(RangeError)
    expect(() => tilePath(64, 0)).toThrow(RangeError)
  })

  test('follow the specification at size 70,000 and 256', () => {
    const shape = (size: number) =>
      Array.from({ length: levelsOf(size) }, (_, level) => [fullTiles(level, size), partialWidth(level, size)])
    expect(shape(70_000)).toEqual([
      [273, 112],
      [1, 17],
      [0, 1],
    ])
    expect(shape(256)).toEqual([
      [1, 0],
      [0, 1],
    ])
    expect(edgePaths(70_000)).toEqual([
      'tile/entries/273.p/112',
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ])
    expect(edgePaths(0)).toEqual([])
  })
})

describe('bundles', () => {
  test('frame every entry by its length in 16 bits', () => {
    const bytes = encodeBundle([Buffer.from(''), Buffer.from('ab')])
    expect([...bytes]).toEqual([0, 0, 0, 2, 97, 98])
    expect(decodeBundle(bytes, 2).map((entry) => Buffer.from(entry).toString())).toEqual(['', 'ab'])
  })

  test('refuse an entry over 65,535 bytes', () => {
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(RangeError)
    expect(decodeBundle(encodeBundle([new Uint8Array(65_535)]), 1)[0]).toHaveLength(65_535)
  })

  test('refuse bytes that are cut short, run on, or hold another number of entries', () => {
    const bytes = encodeBundle(entriesOf(0, 3))
    for (let end = 0; end < bytes.length; end++)
      expect(() => decodeBundle(bytes.subarray(0, end), 3)).toThrow(RangeError)
    expect(() => decodeBundle(Buffer.concat([bytes, Buffer.from([0])]), 3)).toThrow(RangeError)
    expect(() => decodeBundle(bytes, 2)).toThrow(RangeError)
    expect(() => decodeBundle(bytes, 4)).toThrow(RangeError)
  })
})

describe('appending', () => {
  const batches = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 })

  test('in any batches gives the tree that appending everything at once gives', () => {
    fc.assert(
      fc.property(batches, (counts) => {
        const total = counts.reduce((sum, count) => sum + count, 0)
        const { edge, files } = build(counts)
        const whole = build([total])
        expect(edge.size).toBe(total)
        expect(edgeRoot(edge)).toEqual(merkleRoot(entriesOf(0, total).map(leafHash)))
        for (const [path, bytes] of whole.files)
          expect(Buffer.compare(files.get(path) as Uint8Array, bytes), path).toBe(0)
      }),
      { numRuns: 30 },
    )
  })

  test('leaves a right edge that is read back from the store as it was', () => {
    fc.assert(
      fc.property(batches, (counts) => {
        const { edge, files } = build(counts)
        const again = readEdge(edge.size, reader(files))
        expect(again.size).toBe(edge.size)
        expect(again.entries.map(String)).toEqual(edge.entries.map(String))
        expect(edgeRoot(again)).toEqual(edgeRoot(edge))
      }),
      { numRuns: 30 },
    )
  })

  test('reaches the third level', () => {
    const { edge, files } = build([70_000])
    expect([...files.keys()].filter((path) => path.startsWith('tile/2/'))).toEqual(['tile/2/000.p/1'])
    expect(edgeRoot(edge)).toEqual(merkleRoot(entriesOf(0, 70_000).map(leafHash)))
    expect(edgeRoot(readEdge(70_000, reader(files)))).toEqual(edgeRoot(edge))
  })

  test('writes nothing for nothing', () => {
    expect(append(EMPTY_EDGE, [])).toEqual({ edge: EMPTY_EDGE, objects: [] })
  })

  test('shows a leaf whose entry is another when the edge is read', () => {
    const { files } = build([5])
    files.set('tile/entries/000.p/5', encodeBundle([...entriesOf(0, 4), Buffer.from('another')]))
    expect(() => readEdge(5, reader(files))).toThrow(RangeError)
  })
})

test('proofs made from tiles verify, at any size, also from partial tiles', async () => {
  const cases = fc
    .integer({ min: 1, max: 1500 })
    .chain((size) =>
      fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 }), fc.integer({ min: 1, max: size })),
    )
  await fc.assert(
    fc.asyncProperty(cases, async ([size, index, older]) => {
      const { edge, files } = build([size])
      const hashOf = tileHashes(size, async (path) => reader(files)(path))
      const leaf = leafHash(Buffer.from(`entry ${index}`))
      const root = edgeRoot(edge)
      expect(verifyInclusion({ index, size, leaf, proof: await proveInclusion(index, size, hashOf), root })).toBe(true)
      const olderRoot = edgeRoot(build([older]).edge)
      expect(
        verifyConsistency({ older, olderRoot, size, root, proof: await proveConsistency(older, size, hashOf) }),
      ).toBe(true)
    }),
    { numRuns: 40 },
  )
})
