/**
 * Whether an object is there now with the bytes that were given. `conflict`: the key holds other bytes, which stay; nothing was written.
 * A no is a value; what could not be decided (storage away, disk full) is thrown as Fault `unavailable`, and then the write may or may not have
 * happened: the same call again settles it.
 */
export type PutOutcome = 'stored' | 'conflict'
export type ReplaceOutcome = 'replaced' | 'conflict'
export type RemoveOutcome = 'removed' | 'retained' | 'missing'

/** The newest version of a key that is replaced. `etag` names exactly this version to `replace`. */
export interface Version {
  readonly bytes: Uint8Array
  readonly etag: string
}

/** How an object is locked, as the storage itself says. */
export interface ObjectRetention {
  /** Absent: it is under no retention. */
  readonly mode?: 'COMPLIANCE' | 'GOVERNANCE'
  readonly until?: Date
  /** Under a legal hold. */
  readonly hold: boolean
  /** When it was stored, by the storage's clock. */
  readonly storedAt?: Date
}

/**
 * Write-once storage. Every method may be called by several processes at once on the same store.
 *
 * Keys are `/`-separated segments of letters, digits, `.`, `_` and `-` that do not begin with a dot; others throw RangeError.
 * A key is either written once (`put`, `get`, `retain`, `remove`) or replaced with all versions kept (`replace`, `current`, `versions`), never both.
 * No method overwrites, or shortens a retention. All throw Fault `unavailable` when storage does not answer.
 */
export interface WormStore {
  /** What the store is, for logs: never with credentials. */
  readonly name: string

  /**
   * Creates an object. After `stored` its bytes are durable, whoever wrote them first, and are kept at least until `retainUntil`.
   * Of writers with different bytes exactly one gets `stored`; all with the same bytes do. A reader never sees part of an object.
   */
  put(key: string, bytes: Uint8Array, retainUntil: Date): Promise<PutOutcome>

  /** The bytes that were first stored under the key (the oldest version, whatever lies above it), or undefined. */
  get(key: string): Promise<Uint8Array | undefined>

  /**
   * Names directly under a prefix, which ends in `/` or is empty: segments of keys, with a `/` at the end where more lies below; each once, in byte order.
   * An object whose `put` or `replace` resolved before the call is there; one that is stored meanwhile may be.
   */
  list(prefix: string): AsyncIterable<string>

  /** The newest version of a replaced key, or undefined. */
  current(key: string): Promise<Version | undefined>

  /**
   * Adds a version if the newest one is `expected` (undefined: if there is none); else `conflict`. Of several writers with one `expected` exactly one
   * gets `replaced`. Every version is kept at least until `retainUntil`.
   */
  replace(key: string, bytes: Uint8Array, expected: string | undefined, retainUntil: Date): Promise<ReplaceOutcome>

  /** All versions of a replaced key, oldest first. */
  versions(key: string): AsyncIterable<Uint8Array>

  /** Prolongs the retention of an object; an earlier date changes nothing. False where there is no such object. */
  retain(key: string, until: Date): Promise<boolean>

  /** Removes an object whose retention has ended and that is not under legal hold; `retained` leaves it as it is. */
  remove(key: string): Promise<RemoveOutcome>

  /**
   * Places an object, with all versions of a replaced one, under legal hold, or lifts it: until then it is not removed, whatever its retention. Again the same
   * changes nothing. False where there is no such object.
   */
  hold(key: string, on: boolean): Promise<boolean>

  /** Whether an object is under legal hold; false where there is none. */
  held(key: string): Promise<boolean>

  /**
   * How an object is locked, of a replaced one its first version; undefined where there is no such object. Absent where the storage has no locks
   * of its own that its owner could not lift, as a directory has none.
   */
  retention?(key: string): Promise<ObjectRetention | undefined>
}

const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/
const KEY_LENGTH_MAX = 1024

/** Throws RangeError for what is no key; so no key leaves the store's folder or collides with its own files. */
export function requireKey(key: string): void {
  if (
    key.length > KEY_LENGTH_MAX ||
    !key.split('/').every((segment) => segment.length <= 255 && SEGMENT.test(segment))
  ) {
    throw new RangeError('not a key of a store')
  }
}
