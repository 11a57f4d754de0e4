import { leafHash, sameHash } from '../core/merkle.ts'
import { fullTiles, levelsOf, partialWidth, TILE_WIDTH, tilePath } from '../core/tiles.ts'
import { tileKey } from '../log/log-keys.ts'
import { Checkpoints, type LogPlace } from './checkpoints.ts'
import { GrowingTree } from './growing-tree.ts'
import type { KnownCheckpoint } from './known-checkpoints.ts'
import { type LastSeal, Seals } from './seals.ts'
import { begins, StoredTiles } from './stored-tiles.ts'
import { Findings } from './verdicts.ts'

export interface Leaf {
  readonly index: number
  readonly entry: Uint8Array
}

interface Bundle {
  readonly n: number
  readonly entries: readonly Uint8Array[] | undefined
  /** Hashes of the entries, and the hashes that the tile above has for them. */
  readonly own: readonly Uint8Array[] | undefined
  readonly told: readonly Uint8Array[] | undefined
  readonly width: number
}

/** Leaves that are remembered one by one when an entry and its tile say different things. */
const DIFFERING_MAX = 10_000

/**
 * Walks a log from its first leaf to the newest signed checkpoint: every bundle, every tile, every root that was signed or sealed. It holds a
 * bundle and a tile of each level at a time.
 *
 * Where an entry and its hash tile differ, two trees are grown, one of each; the signed root says which of them is the log.
 */
export class LogWalk {
  readonly place: LogPlace
  readonly #checkpoints: Checkpoints
  readonly #seals: Seals
  readonly #stored: StoredTiles
  #tree: GrowingTree | undefined = new GrowingTree()
  /** Grown of what the tiles say, from the first leaf on where that differs. */
  #told: GrowingTree | undefined
  readonly #differing: number[] = []
  #lastSeal: LastSeal | undefined
  readonly #filled = new Map<string, { level: number; n: number; hashes: (readonly Uint8Array[])[] }>()
  #cached: Bundle | undefined

  private constructor(place: LogPlace, checkpoints: Checkpoints, seals: Seals) {
    this.place = place
    this.#checkpoints = checkpoints
    this.#seals = seals
    this.#stored = new StoredTiles(place)
  }

  /** `known`: signed checkpoints that the auditor kept from earlier. */
  static async open(place: LogPlace, known: readonly KnownCheckpoint[] = []): Promise<LogWalk> {
    // Seals before checkpoints: what is listed first is finished by the time that the rest is read, also in a log that grows.
    const seals = await Seals.list(place)
    return new LogWalk(place, await Checkpoints.read(place, known), seals)
  }

  /** Leaves under the newest signed checkpoint; 0 where nothing is signed. */
  get size(): number {
    return this.#checkpoints.head?.size ?? 0
  }
  get root(): Uint8Array | undefined {
    return this.#checkpoints.head?.root
  }
  get seals(): number {
    return this.#seals.count
  }
  /** After the walk. It goes beyond `size` where no checkpoint of it is here: it is being made, or was taken away. */
  get lastSeal(): LastSeal | undefined {
    return this.#lastSeal
  }
  /** Checkpoints whose signed time was compared with those before, after the walk. */
  get timed(): number {
    return this.#checkpoints.timed
  }

  /**
   * The entries in their order. Those that differ from their tile come last, and only if the signed root says that the tile is wrong; those that
   * are missing or altered do not come.
   */
  async *entries(): AsyncGenerator<Leaf> {
    if (this.root === undefined) return
    await this.#seals.start()
    if (this.#checkpoints.isDue(0)) await this.#reached()
    for (let n = 0; n * TILE_WIDTH < this.size; n++) {
      const bundle = await this.#load(n)
      await this.#grow(bundle)
      await this.#checkTiles(bundle)
      for (const [at, entry] of (bundle.entries ?? []).entries())
        if (!differs(bundle, at)) yield { index: n * TILE_WIDTH + at, entry }
    }
    await this.#checkEdge()
    for (const index of await this.#conclude()) {
      const entry = await this.entryAt(index)
      if (entry !== undefined) yield { index, entry }
    }
  }

  /** An entry as it is stored, for a second look. */
  async entryAt(index: number): Promise<Uint8Array | undefined> {
    const n = Math.floor(index / TILE_WIDTH)
    if (this.#cached?.n !== n) this.#cached = await this.#load(n, true)
    return this.#cached.entries?.[index % TILE_WIDTH]
  }

  async #load(n: number, again = false): Promise<Bundle> {
    const width = n < fullTiles(0, this.size) ? TILE_WIDTH : partialWidth(0, this.size)
    const stored = again ? new StoredTiles({ ...this.place, findings: new Findings() }) : this.#stored
    const entries = await stored.bundle(n, width)
    if (again) return { n, entries, own: undefined, told: undefined, width }
    const own = entries?.map(leafHash)
    return { n, entries, own, told: await stored.tile(0, n, width), width }
  }

  async #grow(bundle: Bundle): Promise<void> {
    for (let at = 0; at < bundle.width; at++) {
      const index = bundle.n * TILE_WIDTH + at
      const [own, told] = [bundle.own?.[at], bundle.told?.[at]]
      const leaf = own ?? told
      if (leaf === undefined) this.#tree = undefined
      if (this.#tree === undefined || leaf === undefined) return
      if (differs(bundle, at)) {
        this.#told ??= new GrowingTree(this.#tree)
        if (this.#differing.length < DIFFERING_MAX) this.#differing.push(index)
      }
      this.#seals.leaf(leaf, told ?? leaf)
      this.#tree.push(leaf, (level, n, hashes) => this.#fill(level, n, hashes))
      this.#told?.push(told ?? leaf, (level, n, hashes) => this.#fill(level, n, hashes))
      if (this.#checkpoints.isDue(index + 1) || this.#seals.isDue(index + 1)) await this.#reached()
    }
  }

  #fill(level: number, n: number, hashes: readonly Uint8Array[]): void {
    const name = `${level}/${n}`
    const filled = this.#filled.get(name) ?? { level, n, hashes: [] }
    filled.hashes.push(hashes)
    this.#filled.set(name, filled)
  }

  async #reached(): Promise<void> {
    if (this.#tree === undefined) return
    const { size } = this.#tree
    const roots = [this.#tree.root(), ...(this.#told === undefined ? [] : [this.#told.root()])]
    const signed = await this.#checkpoints.reached(size, roots, this.#seals.agrees(size, roots))
    await this.#seals.reached(size, roots, signed, (at) => this.#checkpoints.hasCopy(at))
  }

  /** The tile of the bundle was read with it; here come its narrower copies, and the tiles above that it has filled. */
  async #checkTiles({ n, entries, own, told }: Bundle): Promise<void> {
    const hashes = [own, told].filter((list) => list !== undefined)
    if (entries !== undefined) await this.#stored.checkNarrowerBundles(n, entries, hashes)
    if (hashes.length > 0) await this.#stored.checkNarrowerTiles(0, n, hashes)
    for (const filled of this.#filled.values())
      if (filled.level > 0) await this.#checkTile(filled.level, filled.n, filled.hashes)
    this.#filled.clear()
  }

  /** The last tiles above the leaves, which are not full. */
  async #checkEdge(): Promise<void> {
    if (this.#tree === undefined) return
    for (let level = 1; level < levelsOf(this.size); level++) {
      const lists = [this.#tree, this.#told]
        .map((tree) => tree?.partials[level] ?? [])
        .filter(({ length }) => length > 0)
      if (lists.length > 0) await this.#checkTile(level, fullTiles(level, this.size), lists)
    }
  }

  async #checkTile(level: number, n: number, hashes: readonly (readonly Uint8Array[])[]): Promise<void> {
    const width = hashes[0]?.length ?? 0
    const found = await this.#stored.tile(level, n, width)
    if (found !== undefined && !begins(found, hashes)) {
      const object = tileKey(this.place.origin, tilePath(level, n, width))
      this.place.findings.add('tile_altered', { object }, 'A hash tile does not follow from the tiles below it.')
    }
    await this.#stored.checkNarrowerTiles(level, n, hashes)
  }

  /** Says which side was altered where entries and tiles differ. Returns the leaves whose entries are right after all. */
  async #conclude(): Promise<readonly number[]> {
    this.#lastSeal = await this.#seals.conclude(this.size, this.#tree !== undefined)
    await this.#checkpoints.conclude(this.#lastSeal)
    const { root, size } = this
    const entriesRight = root !== undefined && this.#tree?.size === size && sameHash(this.#tree.root(), root)
    const { findings, origin } = this.place
    if (!entriesRight) {
      for (const leaf of this.#differing)
        findings.add('entry_altered', { leaf }, `Entry ${leaf} is not the one that the log committed to.`)
      return []
    }
    for (const n of new Set(this.#differing.map((leaf) => Math.floor(leaf / TILE_WIDTH)))) {
      const width = n < fullTiles(0, size) ? TILE_WIDTH : partialWidth(0, size)
      const object = tileKey(origin, tilePath(0, n, width))
      findings.add(
        'tile_altered',
        { object, leaf: n * TILE_WIDTH },
        'A hash tile does not fit the entries, which are as signed.',
      )
    }
    return this.#differing
  }
}

function differs({ own, told }: Bundle, at: number): boolean {
  const [a, b] = [own?.[at], told?.[at]]
  return a !== undefined && b !== undefined && !sameHash(a, b)
}
