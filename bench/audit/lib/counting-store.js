/**
 * A store that counts what is written through it: what S3 would count as PUTs, and their bytes.
 *
 * @param {any} store
 */
export function countingStore(store) {
  const counts = { puts: 0, gets: 0, bytes: 0 }
  const written = (/** @type {Uint8Array} */ bytes) => {
    counts.puts += 1
    counts.bytes += bytes.length
  }
  const wrapped = {
    name: store.name,
    put: (/** @type {[string, Uint8Array, Date]} */ ...args) => {
      written(args[1])
      return store.put(...args)
    },
    replace: (/** @type {[string, Uint8Array, string | undefined, Date]} */ ...args) => {
      written(args[1])
      return store.replace(...args)
    },
    get: (/** @type {string} */ key) => {
      counts.gets += 1
      return store.get(key)
    },
    current: (/** @type {string} */ key) => {
      counts.gets += 1
      return store.current(key)
    },
    list: (/** @type {string} */ prefix) => store.list(prefix),
    versions: (/** @type {string} */ key) => store.versions(key),
    retain: (/** @type {[string, Date]} */ ...args) => store.retain(...args),
    remove: (/** @type {string} */ key) => store.remove(key),
  }
  return { store: wrapped, counts }
}
