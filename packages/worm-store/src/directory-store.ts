import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { errnoOf, storageFault, syncDirectory } from '@writ/durable'
import { DirectorySyncs } from './directory-syncs.ts'
import {
  type PutOutcome,
  type RemoveOutcome,
  type ReplaceOutcome,
  requireKey,
  type Version,
  type WormStore,
} from './store.ts'
import { VersionFiles } from './version-files.ts'

const READ_ONLY = 0o444
/** Files that a killed process left half written are removed after this time. */
const LEFTOVER_AGE_MS = 3_600_000

export interface DirectoryStoreOptions {
  /** What `remove` compares retention with; the system's clock unless told otherwise. */
  readonly now?: () => Date
}

/**
 * A store in a local directory: one read-only file a key, under the key's own name, so that other tools read the folder as it is. A file's modification
 * time is the end of its retention. `.incoming/` holds what is being written, `.versions/` every version of replaced keys, `.holds/` an empty file for each
 * key under legal hold.
 *
 * This interface refuses overwrites and early removals. The folder's owner can still do both with other tools: a local disk is not WORM against its owner.
 */
export class DirectoryStore implements WormStore {
  readonly name: string
  readonly #root: string
  readonly #now: () => Date
  readonly #versions: VersionFiles
  /** Folders that this instance has made durable, with all above them. */
  readonly #durable = new Set<string>()
  readonly #syncs = new DirectorySyncs()

  private constructor(root: string, now: () => Date) {
    this.#root = root
    this.#now = now
    this.name = `file:${root}`
    this.#versions = new VersionFiles(join(root, '.versions'), (path, bytes, until) => this.#create(path, bytes, until))
  }

  /** Opens or makes the directory. Throws Fault `unavailable` where that cannot be done. */
  static async open(dir: string, options: DirectoryStoreOptions = {}): Promise<DirectoryStore> {
    const root = resolve(dir)
    return await attempt('Opening the store', async () => {
      await mkdir(join(root, '.incoming'), { recursive: true })
      await syncDirectory(dirname(root))
      await removeLeftovers(join(root, '.incoming'))
      return new DirectoryStore(root, options.now ?? (() => new Date()))
    })
  }

  async put(key: string, bytes: Uint8Array, retainUntil: Date): Promise<PutOutcome> {
    requireKey(key)
    const path = join(this.#root, key)
    return await attempt(`Writing ${key}`, async () => {
      if (await this.#create(path, bytes, retainUntil)) return 'stored'
      if (Buffer.compare(await readFile(path), bytes) !== 0) return 'conflict'
      // Another writer's file: its name may not have been flushed yet, and it may have asked for less retention.
      await this.#syncs.sync(dirname(path))
      await prolong(path, retainUntil)
      return 'stored'
    })
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    requireKey(key)
    return await attempt(`Reading ${key}`, () => ifThere(readFile(join(this.#root, key))))
  }

  async *list(prefix: string): AsyncIterable<string> {
    if (prefix !== '') requireKey(prefix.slice(0, -1))
    if (prefix !== '' && !prefix.endsWith('/')) throw new RangeError('a prefix ends in /')
    const found = await attempt(`Listing ${prefix}`, () =>
      ifThere(readdir(join(this.#root, prefix), { withFileTypes: true })),
    )
    const names = (found ?? [])
      .filter(({ name }) => !name.startsWith('.'))
      .map((item) => (item.isDirectory() ? `${item.name}/` : item.name))
    yield* names.sort((a, b) => (a < b ? -1 : 1))
  }

  async current(key: string): Promise<Version | undefined> {
    requireKey(key)
    const path = join(this.#root, key)
    return await attempt(`Reading ${key}`, async () => {
      const head = await this.#versions.head(key)
      if (head !== undefined) {
        // A writer may have been killed between the version and the file that shows it.
        const shown = await ifThere(readFile(path))
        if (shown === undefined || Buffer.compare(shown, head.bytes) !== 0) await this.#show(key)
        return { bytes: head.bytes, etag: head.etag }
      }
      // A copy that was made without `.versions/` is still readable, and goes on from what it shows.
      const bytes = await ifThere(readFile(path))
      return bytes && { bytes, etag: 'shown' }
    })
  }

  async replace(
    key: string,
    bytes: Uint8Array,
    expected: string | undefined,
    retainUntil: Date,
  ): Promise<ReplaceOutcome> {
    requireKey(key)
    return await attempt(`Replacing ${key}`, async () => {
      const head = await this.current(key)
      if (head?.etag !== expected) return 'conflict'
      if (!(await this.#versions.add(key, expected, bytes, retainUntil))) return 'conflict'
      await this.#show(key)
      return 'replaced'
    })
  }

  async *versions(key: string): AsyncIterable<Uint8Array> {
    requireKey(key)
    for (let n = 1; ; n++) {
      const bytes = await attempt(`Reading ${key}`, () => this.#versions.read(key, n))
      if (bytes === undefined) return
      yield bytes
    }
  }

  async retain(key: string, until: Date): Promise<boolean> {
    requireKey(key)
    return await attempt(`Retaining ${key}`, () => prolong(join(this.#root, key), until))
  }

  async remove(key: string): Promise<RemoveOutcome> {
    requireKey(key)
    const path = join(this.#root, key)
    return await attempt(`Removing ${key}`, async () => {
      const found = await ifThere(stat(path))
      if (found === undefined) return 'missing'
      if (found.mtimeMs > this.#now().getTime() || (await this.held(key))) return 'retained'
      await unlink(path)
      await this.#syncs.sync(dirname(path))
      return 'removed'
    })
  }

  async hold(key: string, on: boolean): Promise<boolean> {
    requireKey(key)
    const path = this.#holdOf(key)
    return await attempt(`Holding ${key}`, async () => {
      if ((await ifThere(stat(join(this.#root, key)))) === undefined) return false
      if (on) await this.#create(path, new Uint8Array(), this.#now())
      else {
        await rm(path, { force: true })
        await ifThere(syncDirectory(dirname(path)))
      }
      return true
    })
  }

  async held(key: string): Promise<boolean> {
    requireKey(key)
    return await attempt(`Reading ${key}`, async () => (await ifThere(stat(this.#holdOf(key)))) !== undefined)
  }

  #holdOf(key: string): string {
    return join(this.#root, '.holds', key)
  }

  /** Creates a file whole and durable, or returns false where the name is taken. link(2) lets exactly one creator win. */
  async #create(path: string, bytes: Uint8Array, retainUntil: Date): Promise<boolean> {
    const temporary = await this.#write(bytes, retainUntil)
    try {
      await this.#makeDirectory(dirname(path))
      await link(temporary, path)
      await this.#syncs.sync(dirname(path))
      return true
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  }

  /** Also flushes what another writer has just made and may not have flushed yet. */
  async #makeDirectory(dir: string): Promise<void> {
    if (this.#durable.has(dir)) return
    await mkdir(dir, { recursive: true })
    for (let made = dir; made.length > this.#root.length; made = dirname(made)) await this.#syncs.sync(dirname(made))
    this.#durable.add(dir)
  }

  async #write(bytes: Uint8Array, retainUntil: Date): Promise<string> {
    const temporary = join(this.#root, '.incoming', randomBytes(12).toString('hex'))
    const file = await open(temporary, 'wx', READ_ONLY)
    try {
      await file.writeFile(bytes)
      await file.utimes(this.#now(), retainUntil)
      await file.sync()
    } finally {
      await file.close()
    }
    return temporary
  }

  /** Makes the file under the key show the newest version, also when another writer adds one meanwhile. */
  async #show(key: string): Promise<void> {
    const path = join(this.#root, key)
    for (let shown = ''; ; ) {
      const head = await this.#versions.head(key)
      if (head === undefined || head.etag === shown) return
      const temporary = await this.#write(head.bytes, head.retainUntil)
      await this.#makeDirectory(dirname(path))
      await rename(temporary, path)
      await this.#syncs.sync(dirname(path))
      shown = head.etag
    }
  }
}

async function attempt<T>(what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (cause) {
    throw cause instanceof RangeError ? cause : storageFault(what, cause)
  }
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function prolong(path: string, until: Date): Promise<boolean> {
  const found = await ifThere(stat(path))
  if (found === undefined) return false
  if (found.mtimeMs >= until.getTime()) return true
  await utimes(path, found.atime, until)
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  return true
}

async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const path = join(dir, name)
    const found = await ifThere(stat(path))
    if (found !== undefined && Date.now() - found.ctimeMs > LEFTOVER_AGE_MS) {
      await chmod(path, 0o600)
      await rm(path, { force: true })
    }
  }
}
