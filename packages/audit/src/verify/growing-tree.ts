import { EMPTY_ROOT, nodeHash } from '../core/merkle.ts'
import { TILE_WIDTH } from '../core/tiles.ts'

/** Levels of the Merkle tree in one tile. */
const TILE_HEIGHT = 8

export type OnTile = (level: number, n: number, hashes: readonly Uint8Array[]) => void

/** The tree as its leaves come, one after another: roots at any size, tiles as they fill. Holds less than 256 hashes a tile level. */
export class GrowingTree {
  /** Full subtrees from left to right, each lower than the one before. */
  readonly #subtrees: { readonly height: number; readonly hash: Uint8Array }[]
  readonly #levels: Uint8Array[][]
  #size: number

  constructor(from?: GrowingTree) {
    this.#subtrees = from === undefined ? [] : [...from.#subtrees]
    this.#levels = from === undefined ? [] : from.#levels.map((hashes) => [...hashes])
    this.#size = from === undefined ? 0 : from.#size
  }

  get size(): number {
    return this.#size
  }

  /** Appends a leaf's hash; `onTile` is told of every tile that it fills, from the leaves upward. */
  push(leaf: Uint8Array, onTile: OnTile): void {
    this.#size += 1
    this.#risen(0, leaf, onTile)
    let node = { height: 0, hash: leaf }
    for (let left = this.#subtrees.at(-1); left?.height === node.height; left = this.#subtrees.at(-1)) {
      this.#subtrees.pop()
      node = { height: node.height + 1, hash: nodeHash(left.hash, node.hash) }
      if (node.height % TILE_HEIGHT === 0) this.#risen(node.height / TILE_HEIGHT, node.hash, onTile)
    }
    this.#subtrees.push(node)
  }

  /** RFC 6962 root of what was pushed so far. */
  root(): Uint8Array {
    const hashes = this.#subtrees.map(({ hash }) => hash)
    return hashes.length === 0 ? EMPTY_ROOT : hashes.reduceRight((right, left) => nodeHash(left, right))
  }

  /** The last tiles, which are not full, by level; empty where there is none. */
  get partials(): readonly (readonly Uint8Array[])[] {
    return this.#levels
  }

  #risen(level: number, hash: Uint8Array, onTile: OnTile): void {
    const hashes = this.#levels[level] ?? []
    hashes.push(hash)
    this.#levels[level] = hashes
    if (hashes.length < TILE_WIDTH) return
    this.#levels[level] = []
    onTile(level, this.#size / TILE_WIDTH ** (level + 1) - 1, hashes)
  }
}
