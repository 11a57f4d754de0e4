import { leafHash, merkleRoot, sameHash } from './merkle.ts'
import {
  bundlePath,
  decodeBundle,
  decodeTile,
  encodeBundle,
  encodeTile,
  fullTiles,
  levelsOf,
  partialWidth,
  TILE_WIDTH,
  tilePath,
} from './tiles.ts'

/** The right edge of a log: all that is needed to append to it. Never more than 255 entries and 255 hashes a level. */
export interface Edge {
  readonly size: number
  /** Entries of the last, partial bundle. */
  readonly entries: readonly Uint8Array[]
  /** Hashes of the last, partial tile of each level, from the leaves upward. */
  readonly levels: readonly (readonly Uint8Array[])[]
}

/** A bundle or tile to write. `full` ones are final; partial ones are superseded by wider ones and at last by the full one. */
export interface TileObject {
  readonly path: string
  readonly bytes: Uint8Array
  readonly full: boolean
}

export interface Appended {
  readonly edge: Edge
  /** In the order in which they are to be written: bundles, then tiles from the leaves upward. */
  readonly objects: readonly TileObject[]
}

export const EMPTY_EDGE: Edge = { size: 0, entries: [], levels: [] }

/** Root of a log whose right edge this is. */
export function edgeRoot(edge: Edge): Uint8Array {
  let lower: Uint8Array | undefined
  for (const hashes of edge.levels) {
    const row = lower === undefined ? hashes : [...hashes, lower]
    if (row.length > 0) lower = merkleRoot(row)
  }
  return lower ?? merkleRoot([])
}

/** Appends entries: a pure function, so whoever appends the same batch to the same edge writes the same bytes. */
export function append(edge: Edge, batch: readonly Uint8Array[]): Appended {
  if (batch.length === 0) return { edge, objects: [] }
  const objects: TileObject[] = []
  const entries = slices([...edge.entries, ...batch])
  emit(objects, fullTiles(0, edge.size), entries, (n, width, part) => [bundlePath(n, width), encodeBundle(part)])
  const levels: Uint8Array[][] = []
  let risen = batch.map(leafHash)
  for (let level = 0; risen.length > 0; level++) {
    const tiles = slices([...(edge.levels[level] ?? []), ...risen])
    emit(objects, fullTiles(level, edge.size), tiles, (n, width, part) => [tilePath(level, n, width), encodeTile(part)])
    levels.push(tiles.at(-1)?.length === TILE_WIDTH ? [] : (tiles.at(-1) ?? []))
    risen = tiles.filter(isFull).map(merkleRoot)
  }
  const untouched = edge.levels.slice(levels.length)
  const last = entries.at(-1) ?? []
  return {
    edge: {
      size: edge.size + batch.length,
      entries: isFull(last) ? [] : last,
      levels: [...levels, ...untouched],
    },
    objects,
  }
}

const isFull = (part: readonly unknown[]): boolean => part.length === TILE_WIDTH

function emit(
  objects: TileObject[],
  first: number,
  parts: readonly Uint8Array[][],
  encode: (n: number, width: number, part: readonly Uint8Array[]) => [string, Uint8Array],
): void {
  for (const [at, part] of parts.entries()) {
    const [path, bytes] = encode(first + at, part.length, part)
    objects.push({ path, bytes, full: isFull(part) })
  }
}

function slices<T>(items: readonly T[]): T[][] {
  const parts: T[][] = []
  for (let at = 0; at < items.length; at += TILE_WIDTH) parts.push(items.slice(at, at + TILE_WIDTH))
  return parts
}

/** The partial objects that make up the right edge of a log of `size` leaves. */
export function edgePaths(size: number): string[] {
  const width = partialWidth(0, size)
  const bundle = width > 0 ? [bundlePath(fullTiles(0, size), width)] : []
  const tiles = Array.from({ length: levelsOf(size) }, (_, level) => level)
    .filter((level) => partialWidth(level, size) > 0)
    .map((level) => tilePath(level, fullTiles(level, size), partialWidth(level, size)))
  return [...bundle, ...tiles]
}

/**
 * The right edge as it was read from a store: `read` gives the bytes of a path of `edgePaths(size)`. Throws RangeError where the bytes do not
 * have the form of their path or a leaf's hash is not that of its entry. Compare `edgeRoot` with a signed root before trusting it.
 */
export function readEdge(size: number, read: (path: string) => Uint8Array): Edge {
  const levels = Array.from({ length: levelsOf(size) }, (_, level) => {
    const width = partialWidth(level, size)
    return width === 0 ? [] : decodeTile(read(tilePath(level, fullTiles(level, size), width)), width)
  })
  const width = partialWidth(0, size)
  const entries = width === 0 ? [] : decodeBundle(read(bundlePath(fullTiles(0, size), width)), width)
  const leaves = levels[0] ?? []
  if (!entries.every((entry, at) => sameHash(leafHash(entry), leaves[at] as Uint8Array))) {
    throw new RangeError(`a leaf of the last tile at size ${size} is not the hash of its entry`)
  }
  return { size, entries, levels }
}
