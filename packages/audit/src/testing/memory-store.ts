import type { Version, WormStore } from '@writ/worm-store'

/** A store that promises what the port says and lives as long as a test: for tests of every order of things, of which a disk flushes few a second. */
export function memoryStore(): WormStore {
  const objects = new Map<string, Uint8Array>()
  const replaced = new Map<string, Uint8Array[]>()
  const newest = (key: string): Version | undefined => {
    const versions = replaced.get(key) ?? []
    const bytes = versions.at(-1)
    return bytes && { bytes, etag: `${versions.length}` }
  }
  return {
    name: 'memory',
    put: async (key, bytes) => {
      const there = objects.get(key)
      if (there === undefined) objects.set(key, bytes)
      return there === undefined || Buffer.compare(there, bytes) === 0 ? 'stored' : 'conflict'
    },
    get: async (key) => objects.get(key),
    async *list(prefix) {
      const names = [...objects.keys(), ...replaced.keys()].filter((key) => key.startsWith(prefix))
      const own = names.map((key) => /^[^/]*\/?/.exec(key.slice(prefix.length))?.[0] ?? '')
      yield* [...new Set(own)].sort()
    },
    current: async (key) => newest(key),
    replace: async (key, bytes, expected) => {
      if (newest(key)?.etag !== expected) return 'conflict'
      replaced.set(key, [...(replaced.get(key) ?? []), bytes])
      return 'replaced'
    },
    async *versions(key) {
      yield* replaced.get(key) ?? []
    },
    retain: async (key) => objects.has(key) || replaced.has(key),
    remove: async (key) => (objects.has(key) ? 'retained' : 'missing'),
    hold: async (key) => objects.has(key) || replaced.has(key),
    held: async () => false,
  }
}
