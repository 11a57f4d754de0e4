import { leafHash, sameHash } from '../core/merkle.ts'
import { bundlePath, decodeBundle, decodeTile, encodeBundle, encodeTile, TILE_WIDTH, tilePath } from '../core/tiles.ts'
import { tileKey } from '../log/log-keys.ts'
import type { LogPlace } from './checkpoints.ts'

/** What is known of the hashes of one tile: from what lies below it and, where these differ, from what is stored beside that. */
export type Wanted = readonly (readonly Uint8Array[])[]

/** Reads the tiles and bundles of a log and says which are missing or cannot be read. */
export class StoredTiles {
  readonly #place: LogPlace
  /** Names in the folder that was listed last. */
  #folder: { readonly path: string; readonly names: ReadonlySet<string> } = { path: '', names: new Set() }

  constructor(place: LogPlace) {
    this.#place = place
  }

  /** The first `width` entries of a bundle; undefined after a finding. */
  async bundle(n: number, width: number): Promise<readonly Uint8Array[] | undefined> {
    const bundle = await this.#read(width, (wide) => bundlePath(n, wide), decodeBundle)
    const where = { leaf: n * TILE_WIDTH, object: this.#key(bundlePath(n, width)) }
    if (bundle === 'missing')
      this.#place.findings.add(
        'entry_missing',
        where,
        `The bundle of ${width} entries from leaf ${n * TILE_WIDTH} on is missing.`,
      )
    if (bundle === 'unreadable')
      this.#place.findings.add(
        'entry_altered',
        where,
        `The bundle of ${width} entries from leaf ${n * TILE_WIDTH} on cannot be read as one.`,
      )
    return typeof bundle === 'string' ? undefined : bundle
  }

  /** The first `width` hashes of a tile; undefined after a finding. */
  async tile(level: number, n: number, width: number): Promise<readonly Uint8Array[] | undefined> {
    const tile = await this.#read(width, (wide) => tilePath(level, n, wide), decodeTile)
    const where = { object: this.#key(tilePath(level, n, width)) }
    if (tile === 'missing') this.#place.findings.add('tile_missing', where, 'A hash tile is missing.')
    if (tile === 'unreadable')
      this.#place.findings.add('tile_altered', where, `A hash tile is not ${width} hashes long.`)
    return typeof tile === 'string' ? undefined : tile
  }

  /** A log that has grown meanwhile has the full tile, and may have lost the narrower one. */
  async #read<T>(
    width: number,
    pathOf: (width: number) => string,
    decode: (bytes: Uint8Array, width: number) => readonly T[],
  ): Promise<readonly T[] | 'missing' | 'unreadable'> {
    for (const wide of new Set([width, TILE_WIDTH])) {
      const bytes = await this.#place.reader.read(this.#key(pathOf(wide)))
      if (bytes === undefined) continue
      try {
        return decode(bytes, wide).slice(0, width)
      } catch (error) {
        if (error instanceof RangeError) return 'unreadable'
        throw error
      }
    }
    return 'missing'
  }

  /** Narrower copies of a bundle from when the log was smaller must be its beginning. `hashes`: of its entries, and as the tile has them. */
  async checkNarrowerBundles(n: number, entries: readonly Uint8Array[], hashes: Wanted): Promise<void> {
    await this.#eachNarrower(
      (width) => bundlePath(n, width),
      entries.length,
      (bytes, width) => {
        if (Buffer.compare(encodeBundle(entries.slice(0, width)), bytes) === 0) return true
        const leaves = attempt(() => decodeBundle(bytes, width).map(leafHash))
        return leaves !== undefined && begins(leaves, hashes)
      },
    )
  }

  async checkNarrowerTiles(level: number, n: number, hashes: Wanted): Promise<void> {
    const widest = hashes[0]?.length ?? 0
    await this.#eachNarrower(
      (width) => tilePath(level, n, width),
      widest,
      (bytes, width) => {
        if (Buffer.compare(encodeTile((hashes[0] ?? []).slice(0, width)), bytes) === 0) return true
        const found = attempt(() => decodeTile(bytes, width))
        return found !== undefined && begins(found, hashes)
      },
    )
  }

  async #eachNarrower(
    pathOf: (width: number) => string,
    widest: number,
    fits: (bytes: Uint8Array, width: number) => boolean,
  ): Promise<void> {
    const { reader, findings } = this.#place
    const full = this.#key(pathOf(TILE_WIDTH))
    const slash = full.lastIndexOf('/') + 1
    if (!(await this.#names(full.slice(0, slash))).has(`${full.slice(slash)}.p/`)) return
    for await (const name of reader.list(`${full}.p/`)) {
      const width = Number(name)
      if (!/^[1-9]\d{0,2}$/.test(name) || width >= Math.min(widest, TILE_WIDTH)) continue
      const object = this.#key(pathOf(width))
      const bytes = await reader.read(object)
      if (bytes !== undefined && !fits(bytes, width))
        findings.add('tile_altered', { object }, 'An earlier, narrower copy is not the beginning of what is there now.')
    }
  }

  async #names(path: string): Promise<ReadonlySet<string>> {
    if (this.#folder.path === path) return this.#folder.names
    const names = new Set<string>()
    for await (const name of this.#place.reader.list(path)) names.add(name)
    this.#folder = { path, names }
    return names
  }

  #key(path: string): string {
    return tileKey(this.#place.origin, path)
  }
}

/** Whether each hash is the one that some wanted list has there. */
export function begins(hashes: readonly Uint8Array[], wanted: Wanted): boolean {
  return hashes.every((hash, at) => wanted.some((list) => list[at] !== undefined && sameHash(list[at], hash)))
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
