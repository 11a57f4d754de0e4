import { createHash } from 'node:crypto'
import { access, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '@writ/durable'

export interface HeadVersion {
  readonly n: number
  readonly bytes: Uint8Array
  readonly etag: string
  readonly retainUntil: Date
}

/** Creates a file whole and durable; false where it exists. */
export type CreateFile = (path: string, bytes: Uint8Array, retainUntil: Date) => Promise<boolean>

/** Versions of replaced keys as numbered files, from 1 without gaps. A version is added by creating the next number, so of two writers one loses. */
export class VersionFiles {
  readonly #root: string
  readonly #create: CreateFile
  /** The highest version seen of each key: where the search begins. */
  readonly #seen = new Map<string, number>()

  constructor(root: string, create: CreateFile) {
    this.#root = root
    this.#create = create
  }

  async head(key: string): Promise<HeadVersion | undefined> {
    const n = await this.#highest(key)
    const bytes = await this.read(key, n)
    if (bytes === undefined) return undefined
    const { mtime } = await stat(this.#path(key, n))
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
    return { n, bytes, etag: `${n}-${hash}`, retainUntil: mtime }
  }

  /** Adds the version after the one that `etag` names; false where another was added first. */
  async add(key: string, etag: string | undefined, bytes: Uint8Array, retainUntil: Date): Promise<boolean> {
    const n = 1 + (Number.parseInt(etag ?? '0', 10) || 0)
    return await this.#create(this.#path(key, n), bytes, retainUntil)
  }

  async read(key: string, n: number): Promise<Uint8Array | undefined> {
    if (n === 0) return undefined
    try {
      return await readFile(this.#path(key, n))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Doubles the step until a number is missing, then halves: some forty look-ups however many versions there are. */
  async #highest(key: string): Promise<number> {
    let low = this.#seen.get(key) ?? 0
    let step = 1
    while (await this.#exists(key, low + step)) {
      low += step
      step *= 2
    }
    for (; step >= 1; step /= 2) if (await this.#exists(key, low + step)) low += step
    this.#seen.set(key, low)
    return low
  }

  async #exists(key: string, n: number): Promise<boolean> {
    return await access(this.#path(key, n)).then(
      () => true,
      () => false,
    )
  }

  #path(key: string, n: number): string {
    return join(this.#root, key, String(n).padStart(12, '0'))
  }
}
