import { randomUUID } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { Fault } from '@writ/contracts'
import {
  type ObjectRetention,
  type PutOutcome,
  type RemoveOutcome,
  type ReplaceOutcome,
  requireKey,
  type Version,
  type WormStore,
} from '../store.ts'
import { openS3Client, type S3ClientOptions } from './s3-client.ts'
import { type Found, type Kept, S3Objects } from './s3-objects.ts'
import { type S3Place, s3Url } from './s3-place.ts'
import { type ListedKey, listVersions, versionsOf } from './s3-versions.ts'

export interface S3StoreOptions extends S3ClientOptions {
  /** A client that is open already. */
  readonly client?: S3Client
}

/** Version ids of first versions that are remembered: some 250 bytes each. */
const REMEMBERED_MAX = 50_000
/** Versions that are fetched ahead of a reader of all. */
const AHEAD_MAX = 8
const TRIES_MAX = 4
/** How far this clock and S3's may differ before a refused removal is more than a retention that has not quite ended. */
const CLOCKS_MS = 15 * 60_000

/**
 * A store in a bucket with Object Lock, under a prefix. Every version is written under COMPLIANCE retention with our own SHA-256, conditionally, and read back
 * by its version id: bytes and retention are compared before a write counts. What S3 does not do is thrown as Fault `unavailable`; with `replace`, versions of
 * the same bytes are the same version.
 *
 * `get` reads the first version of a key. AWS lets `If-None-Match: *` create a key again over a delete marker, and anybody who may write can add versions,
 * so what lies on top is never believed.
 */
export class S3Store implements WormStore {
  readonly name: string
  readonly #objects: S3Objects
  readonly #client: S3Client
  /** The first version of each key, which stays the first as long as it is there; those remembered first go first. */
  readonly #firsts = new Map<string, string>()

  constructor(place: S3Place, client: S3Client) {
    this.#objects = new S3Objects(place, client)
    this.#client = client
    this.name = s3Url(place)
  }

  /** Asks nothing of S3 yet. Throws Fault `malformed` where the SDK finds no region. */
  static async open(place: S3Place, { client, ...options }: S3StoreOptions = {}): Promise<S3Store> {
    return new S3Store(place, client ?? (await openS3Client(options)))
  }

  async put(key: string, bytes: Uint8Array, retainUntil: Date): Promise<PutOutcome> {
    requireKey(key)
    const until = wholeSeconds(retainUntil)
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const put = await this.#objects.put(key, { bytes, until })
      const [listed] = await Promise.all([
        this.#versions(key),
        typeof put === 'string' ? undefined : this.#requireWritten(key, put.versionId, bytes, until),
      ])
      const first = listed.versions.at(-1)?.versionId
      // Refused, and nothing is there: it was removed meanwhile, or only a delete marker lies there.
      if (first === undefined) continue
      this.#remember(key, first)
      // Created over a delete marker, or not created: what counts is the first version.
      if (typeof put === 'string' || put.versionId !== first) return await this.#compare(key, first, bytes, until)
      return 'stored'
    }
    throw this.#fault(key, 'is refused, though no version of it is there')
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    requireKey(key)
    const known = this.#firsts.get(key)
    if (known !== undefined) {
      const found = await this.#objects.get(key, known)
      if (found !== undefined) return found.bytes
      this.#firsts.delete(key)
    }
    // The current version is nearly always the first: both questions at once. Where it is not, nothing that it does matters.
    const listing = this.#versions(key)
    const isFirst = async (versionId: string) => (await listing).versions.at(-1)?.versionId === versionId
    const showing = this.#objects.get(key, undefined, isFirst).catch(() => undefined)
    const [{ versions }, shown] = await Promise.all([listing, showing])
    const first = versions.at(-1)?.versionId
    if (first === undefined) return undefined
    this.#remember(key, first)
    return (shown ?? (await this.#objects.get(key, first)))?.bytes
  }

  async *list(prefix: string): AsyncIterable<string> {
    if (prefix !== '') requireKey(prefix.slice(0, -1))
    if (prefix !== '' && !prefix.endsWith('/')) throw new RangeError('a prefix ends in /')
    const whole = this.#objects.place.prefix === '' ? prefix : `${this.#objects.place.prefix}/${prefix}`
    for await (const { name, versions } of listVersions(this.#client, this.#objects.place, {
      prefix: whole,
      delimiter: '/',
    })) {
      const own = name.slice(whole.length)
      const first = versions?.at(-1)?.versionId
      // What is no key of a store was put there by another; what has only delete markers is not there.
      if (!isName(own) || (versions !== undefined && first === undefined)) continue
      if (first !== undefined) this.#remember(`${prefix}${own}`, first)
      yield own
    }
  }

  async current(key: string): Promise<Version | undefined> {
    requireKey(key)
    const shown = await this.#objects.get(key)
    if (shown !== undefined) return { bytes: shown.bytes, etag: shown.etag }
    // Nothing, or a delete marker over everything.
    const newest = (await this.#versions(key)).versions[0]
    const found = newest && (await this.#objects.get(key, newest.versionId))
    return found && { bytes: found.bytes, etag: found.etag }
  }

  async replace(
    key: string,
    bytes: Uint8Array,
    expected: string | undefined,
    retainUntil: Date,
  ): Promise<ReplaceOutcome> {
    requireKey(key)
    const until = wholeSeconds(retainUntil)
    const writeId = randomUUID()
    // A first version is not created over a delete marker with versions below.
    if (expected === undefined && (await this.#versions(key)).versions.length > 0) return 'conflict'
    let put = await this.#objects.put(key, {
      bytes,
      until,
      writeId,
      ...(expected !== undefined && { ifMatch: expected }),
    })
    if (put === 'absent') {
      if ((await this.#versions(key)).versions[0]?.etag !== expected) return 'conflict'
      // A delete marker hides the expected version. Of all who find it so, S3 lets one create the next.
      put = await this.#objects.put(key, { bytes, until, writeId })
    }
    if (put === 'absent') throw this.#fault(key, 'is neither there nor absent')
    const versionId = put === 'exists' ? await this.#writtenAs(key, writeId, expected) : put.versionId
    if (versionId === undefined) return 'conflict'
    await this.#requireWritten(key, versionId, bytes, until)
    return 'replaced'
  }

  async *versions(key: string): AsyncIterable<Uint8Array> {
    requireKey(key)
    const ids = (await this.#versions(key)).versions.map(({ versionId }) => versionId).reverse()
    for (let at = 0; at < ids.length; at += AHEAD_MAX) {
      const some = await Promise.all(ids.slice(at, at + AHEAD_MAX).map((id) => this.#objects.get(key, id)))
      for (const found of some) if (found !== undefined) yield found.bytes
    }
  }

  async retain(key: string, until: Date): Promise<boolean> {
    requireKey(key)
    const first = await this.#first(key)
    if (first === undefined) return false
    await this.#prolong(key, first.versionId, first, wholeSeconds(until))
    return true
  }

  async hold(key: string, on: boolean): Promise<boolean> {
    requireKey(key)
    const { versions } = await this.#versions(key)
    for (let at = 0; at < versions.length; at += AHEAD_MAX)
      await Promise.all(
        versions.slice(at, at + AHEAD_MAX).map(({ versionId }) => this.#objects.hold(key, versionId, on)),
      )
    return versions.length > 0
  }

  async held(key: string): Promise<boolean> {
    requireKey(key)
    return (await this.#first(key))?.held === true
  }

  async retention(key: string): Promise<ObjectRetention | undefined> {
    requireKey(key)
    const first = await this.#first(key)
    if (first === undefined) return undefined
    const { mode, until, held, storedAt } = first
    return {
      hold: held,
      ...((mode === 'COMPLIANCE' || mode === 'GOVERNANCE') && { mode }),
      ...(until !== undefined && { until }),
      ...(storedAt !== undefined && { storedAt }),
    }
  }

  /** Removes markers, then versions, the newest first: no later version ever takes the place of the first. */
  async remove(key: string): Promise<RemoveOutcome> {
    requireKey(key)
    const { versions, markers } = await this.#versions(key)
    if (versions.length === 0) return 'missing'
    for (const { versionId } of versions) {
      const kept = await this.#objects.head(key, versionId)
      if (kept !== undefined && isKept(kept, Date.now())) return 'retained'
    }
    for (const marker of markers) await this.#objects.delete(key, marker)
    for (const { versionId } of versions) {
      if (await this.#objects.delete(key, versionId)) continue
      const kept = await this.#objects.head(key, versionId)
      if (kept !== undefined && isKept(kept, Date.now() - CLOCKS_MS)) return 'retained'
      throw this.#fault(key, 'is not retained, and S3 refuses to delete it')
    }
    this.#firsts.delete(key)
    return 'removed'
  }

  async #versions(key: string): Promise<ListedKey> {
    return await versionsOf(this.#client, this.#objects.place, this.#objects.full(key))
  }

  async #first(key: string): Promise<(Kept & { readonly versionId: string }) | undefined> {
    const known = this.#firsts.get(key)
    const kept = known === undefined ? undefined : await this.#objects.head(key, known)
    if (known !== undefined && kept !== undefined) return { ...kept, versionId: known }
    this.#firsts.delete(key)
    const versionId = (await this.#versions(key)).versions.at(-1)?.versionId
    const found = versionId === undefined ? undefined : await this.#objects.head(key, versionId)
    if (versionId === undefined || found === undefined) return undefined
    this.#remember(key, versionId)
    return { ...found, versionId }
  }

  /** Whether the first version holds these bytes; then it is kept as long as is asked for now. */
  async #compare(key: string, versionId: string, bytes: Uint8Array, until: Date): Promise<PutOutcome> {
    const found = await this.#objects.get(key, versionId)
    if (found === undefined) throw this.#fault(key, 'was removed while it was read')
    if (Buffer.compare(found.bytes, bytes) !== 0) return 'conflict'
    await this.#prolong(key, versionId, await this.#kept(key, found), until)
    return 'stored'
  }

  async #prolong(key: string, versionId: string, kept: Kept, until: Date): Promise<void> {
    if (isLocked(kept, until) || (await this.#objects.prolong(key, versionId, until))) return
    // Another writer may have asked for more meanwhile.
    const now = await this.#objects.head(key, versionId)
    if (now === undefined || !isLocked(now, until)) throw this.#fault(key, 'cannot be retained for longer')
  }

  /** Reads a new version back by its id. Only what S3 gives again, locked as asked, counts as written. */
  async #requireWritten(key: string, versionId: string, bytes: Uint8Array, until: Date): Promise<void> {
    const found = await this.#objects.get(key, versionId)
    if (found === undefined) throw this.#fault(key, 'is not there after it was written')
    if (Buffer.compare(found.bytes, bytes) !== 0) throw this.#fault(key, 'has other bytes than were written')
    if (!isLocked(await this.#kept(key, found), until))
      throw this.#fault(key, 'was written and is not under COMPLIANCE retention as asked')
  }

  /** Retention of what was read. Not every server tells it with the bytes. */
  async #kept(key: string, found: Found): Promise<Kept> {
    return found.mode === undefined ? ((await this.#objects.head(key, found.versionId)) ?? found) : found
  }

  /** The version that this very write made, where its answer was lost and the SDK tried again; undefined: another one was made. */
  async #writtenAs(key: string, writeId: string, expected: string | undefined): Promise<string | undefined> {
    for (const { versionId, etag } of (await this.#versions(key)).versions) {
      if (etag === expected) return undefined
      if ((await this.#objects.head(key, versionId))?.writeId === writeId) return versionId
    }
    return undefined
  }

  #remember(key: string, first: string): void {
    this.#firsts.delete(key)
    this.#firsts.set(key, first)
    if (this.#firsts.size <= REMEMBERED_MAX) return
    for (const oldest of this.#firsts.keys()) {
      this.#firsts.delete(oldest)
      break
    }
  }

  #fault(key: string, what: string): Fault {
    return new Fault('unavailable', { message: `${this.name}/${key} ${what}.` })
  }
}

/** Servers keep whole seconds: the next one, so that nothing is kept for less than was asked. */
function wholeSeconds(until: Date): Date {
  return new Date(Math.ceil(until.getTime() / 1000) * 1000)
}

function isLocked({ mode, until }: Kept, wanted: Date): boolean {
  return mode === 'COMPLIANCE' && until !== undefined && until.getTime() >= wanted.getTime()
}

function isKept({ until, held }: Kept, nowMs: number): boolean {
  return held || (until !== undefined && until.getTime() > nowMs)
}

function isName(name: string): boolean {
  try {
    requireKey(name.endsWith('/') ? name.slice(0, -1) : name)
    return true
  } catch {
    return false
  }
}
