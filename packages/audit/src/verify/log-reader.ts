import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '@writ/contracts'
import { type ObjectRetention, requireKey, type WormStore } from '@writ/worm-store'

/** Reads objects of a log wherever they lie. Nothing is written, nothing is believed. All throw Fault `unavailable` when storage does not answer. */
export interface LogReader {
  /** For people. */
  readonly name: string
  /** The object's bytes (the first ever written; of `checkpoint` the newest), or undefined. */
  read(key: string): Promise<Uint8Array | undefined>
  /** Names directly under a prefix that ends in `/`, with a `/` at the end where more lies below, in byte order. */
  list(prefix: string): AsyncIterable<string>
  /** What a replaced object held over time, oldest first; nothing where the copy was made without versions. */
  versions(key: string): AsyncIterable<Uint8Array>
  /** How an object is locked; undefined where there is no such object. Absent where the storage has no locks, as a copy has none. */
  retention?(key: string): Promise<ObjectRetention | undefined>
}

/** A directory store, or a bare copy of one. Opening it changes nothing in it. */
export function directoryReader(dir: string): LogReader {
  return {
    name: dir,
    read: (key) => ifThere(key, readFile(join(dir, key))),
    async *list(prefix) {
      const found = (await ifThere(prefix, readdir(join(dir, prefix), { withFileTypes: true }))) ?? []
      const names = found
        .filter(({ name }) => !name.startsWith('.'))
        .map((item) => (item.isDirectory() ? `${item.name}/` : item.name))
      yield* names.sort((a, b) => (a < b ? -1 : 1))
    },
    async *versions(key) {
      for await (const name of versionNames(dir, key)) {
        const bytes = await ifThere(key, readFile(join(dir, '.versions', key, name)))
        if (bytes !== undefined) yield bytes
      }
    },
  }
}

/** A store as it is read through its own interface: the first version of every object, of `checkpoint` the newest. */
export function storeReader(store: WormStore): LogReader {
  return {
    name: store.name,
    read: async (key) => {
      if (!isKey(key)) return undefined
      return key.endsWith('/checkpoint') ? (await store.current(key))?.bytes : await store.get(key)
    },
    list: (prefix) => store.list(prefix),
    versions: (key) => store.versions(key),
    ...(store.retention !== undefined && {
      retention: async (key) => (isKey(key) ? await store.retention?.(key) : undefined),
    }),
  }
}

/** Names that somebody else put there need not be keys: such an object is none of the log's. */
function isKey(key: string): boolean {
  try {
    requireKey(key)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

async function* versionNames(dir: string, key: string): AsyncIterable<string> {
  const names = (await ifThere(key, readdir(join(dir, '.versions', key)))) ?? []
  yield* names.filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b))
}

async function ifThere<T>(what: string, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (cause) {
    const { code } = Object(cause) as { code?: unknown }
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined
    throw new Fault('unavailable', { message: `${what} cannot be read.`, cause })
  }
}
