import { merkleRoot } from './merkle.ts'
import type { LeafRange, RangeHash } from './merkle-proof.ts'
import { decodeTile, fullTiles, partialWidth, TILE_WIDTH, tilePath } from './tiles.ts'

/** Levels of the Merkle tree in one tile: 2^8 is its width. */
const TILE_HEIGHT = 8

/** Reads a tile by its path relative to the log. Throws where it is missing. */
export type ReadTile = (path: string) => Promise<Uint8Array>

/** Hashes of ranges of leaves of a log of `size` leaves, from its tiles. Unverified: proofs made with them are only as good as their verification. */
export function tileHashes(size: number, read: ReadTile): RangeHash {
  const node = async (height: number, index: number): Promise<Uint8Array> => {
    const level = Math.floor(height / TILE_HEIGHT)
    const span = 2 ** (height % TILE_HEIGHT)
    const n = Math.floor((index * span) / TILE_WIDTH)
    const width = n < fullTiles(level, size) ? TILE_WIDTH : partialWidth(level, size)
    const hashes = decodeTile(await read(tilePath(level, n, width)), width)
    const first = index * span - n * TILE_WIDTH
    return merkleRoot(hashes.slice(first, first + span))
  }
  return async (range) => {
    let hash: Uint8Array | undefined
    for (const { height, index } of fullSubtrees(range).toReversed()) {
      const left = await node(height, index)
      hash = hash === undefined ? left : merkleRoot([left, hash])
    }
    return hash ?? merkleRoot([])
  }
}

/** Cuts a range of a proof into full subtrees, from left to right. Such a range starts where a subtree of at least its size does. */
function fullSubtrees({ start, end }: LeafRange): { readonly height: number; readonly index: number }[] {
  const subtrees: { height: number; index: number }[] = []
  for (let at = start; at < end; ) {
    const height = Math.floor(Math.log2(end - at))
    subtrees.push({ height, index: at / 2 ** height })
    at += 2 ** height
  }
  return subtrees
}
