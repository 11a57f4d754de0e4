import { chmod, cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What somebody with write access does to a copy of a log, and the verdict that names it. */
export interface Tampering {
  readonly name: string
  readonly verdict: string
  readonly apply: (log: LogCopy) => Promise<void>
}

/** A bare copy of a store: its objects, without the directory store's own bookkeeping. */
export class LogCopy {
  readonly dir: string
  readonly #origin: string

  private constructor(dir: string, origin: string) {
    this.dir = dir
    this.#origin = origin
  }

  static async of(store: string, dir: string, origin: string): Promise<LogCopy> {
    for (const name of (await readdir(store)).filter((each) => !each.startsWith('.')))
      await cp(join(store, name), join(dir, name), { recursive: true })
    return new LogCopy(dir, origin)
  }

  /** @param path below the log, or below `<log>.meta` when it begins with `meta/`. */
  path(path: string): string {
    return path.startsWith('meta/')
      ? join(this.dir, `${this.#origin}.meta`, path.slice('meta/'.length))
      : join(this.dir, this.#origin, path)
  }

  /** The name of the file in a folder that is last in the order of numbers. */
  async newest(folder: string): Promise<string> {
    const names = await readdir(this.path(folder))
    const last = names.sort((a, b) => Number(a) - Number(b)).at(-1)
    if (last === undefined) throw new Error(`${folder} is empty`)
    return `${folder}/${last}`
  }

  async change(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
    const bytes = await readFile(this.path(path))
    await rm(this.path(path), { force: true })
    await writeFile(this.path(path), change(bytes))
    await chmod(this.path(path), 0o600)
  }

  async remove(path: string): Promise<void> {
    await rm(this.path(path))
  }
}

const flipped = (bytes: Buffer): Buffer => {
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes
}
const ENTRIES = 'tile/entries/000.p'
const HASHES = 'tile/0/000.p'

export const TAMPERINGS: readonly Tampering[] = [
  {
    name: 'an entry with one bit changed',
    verdict: 'entry_altered',
    apply: async (log) => log.change(await log.newest(ENTRIES), flipped),
  },
  {
    name: 'entries taken away',
    verdict: 'entry_missing',
    apply: async (log) => log.remove(await log.newest(ENTRIES)),
  },
  {
    name: 'a hash with one bit changed',
    verdict: 'tile_altered',
    apply: async (log) => log.change(await log.newest(HASHES), flipped),
  },
  { name: 'hashes taken away', verdict: 'tile_missing', apply: async (log) => log.remove(await log.newest(HASHES)) },
  {
    name: 'a checkpoint signed by nobody',
    verdict: 'checkpoint_forged',
    apply: (log) => log.change('checkpoint', (bytes) => Buffer.from(bytes.toString().replace(/\n(\d+)\n/, '\n7$1\n'))),
  },
  {
    name: 'the log shown as it was before',
    verdict: 'checkpoint_rolled_back',
    apply: async (log) => {
      const names = (await readdir(log.path('meta/checkpoints'))).sort()
      const before = await readFile(log.path(`meta/checkpoints/${names.at(-3)}`))
      await log.change('checkpoint', () => before)
    },
  },
  {
    name: 'a seal taken away',
    verdict: 'seal_missing',
    apply: (log) => log.remove(`meta/seals/${'2'.padStart(12, '0')}`),
  },
]
