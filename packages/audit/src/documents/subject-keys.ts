import { createHmac, randomBytes } from 'node:crypto'
import { Fault } from '@writ/contracts'
import type { WrappingKey } from './wrapping-key.ts'

/** Wrapped keys by key id. The one store from which a value can be purged, so that what was sealed under it is erased. */
export interface SubjectKeyStore {
  get(keyId: string): Promise<Uint8Array | undefined>
  /** Durable before it resolves. False when there is a value already: then nothing is written. */
  create(keyId: string, wrapped: Uint8Array): Promise<boolean>
}

export interface SubjectKey {
  readonly kid: string
  /** 32 bytes. Secret. */
  readonly key: Uint8Array
}

/** The key of what is about nobody in particular: commands, control messages. It is never destroyed. */
export const RECORDS_KEY_ID = 'records'
const CACHED_KEYS_MAX = 1000

/** The keys that documents are sealed under, one for each user and calendar quarter, and the pseudonyms that stand for users. */
export class SubjectKeys {
  readonly #wrapping: WrappingKey
  readonly #store: SubjectKeyStore
  readonly #pseudonymKey: Uint8Array
  readonly #region: string
  readonly #keys = new Map<string, Promise<SubjectKey>>()

  private constructor(wrapping: WrappingKey, store: SubjectKeyStore, region: string, pseudonymKey: Uint8Array) {
    this.#wrapping = wrapping
    this.#store = store
    this.#region = region
    this.#pseudonymKey = pseudonymKey
  }

  static async open(wrapping: WrappingKey, store: SubjectKeyStore, region: string): Promise<SubjectKeys> {
    return new SubjectKeys(wrapping, store, region, await wrapping.derive(`pseudonym.${region}`))
  }

  /** `p:` and 22 characters (132 bits) of an HMAC: the same for a user in one region, of no use to who lacks the key. */
  pseudonym(user: string): string {
    return `p:${createHmac('sha256', this.#pseudonymKey).update(user).digest('base64url').slice(0, 22)}`
  }

  /** `u-<pseudonym>-<year>q<quarter>`, in UTC. It names nobody, and can be made again to destroy the key. */
  keyId(user: string, nowMs: number): string {
    const now = new Date(nowMs)
    return `u-${this.pseudonym(user).slice(2)}-${now.getUTCFullYear()}q${Math.floor(now.getUTCMonth() / 3) + 1}`
  }

  /** The user's key of this quarter, made when it is first asked for. Throws Fault `unavailable`: then nothing is recorded. */
  keyOf(user: string, nowMs: number): Promise<SubjectKey> {
    return this.#key(this.keyId(user, nowMs))
  }

  recordsKey(): Promise<SubjectKey> {
    return this.#key(RECORDS_KEY_ID)
  }

  /** Forgets the copy of a key that was destroyed. */
  forget(kid: string): void {
    this.#keys.delete(kid)
  }

  #key(kid: string): Promise<SubjectKey> {
    const known = this.#keys.get(kid)
    if (known !== undefined) return known
    if (this.#keys.size >= CACHED_KEYS_MAX) this.#keys.delete(this.#keys.keys().next().value ?? '')
    const key = this.#load(kid)
    this.#keys.set(kid, key)
    key.catch(() => this.#keys.delete(kid))
    return key
  }

  async #load(kid: string): Promise<SubjectKey> {
    const name = wrappedName(this.#region, kid)
    let wrapped = await this.#store.get(kid)
    if (wrapped === undefined) {
      const made = await this.#wrapping.wrap(name, randomBytes(32))
      // Of two replicas that make it at once one wins; both then use what is stored.
      wrapped = (await this.#store.create(kid, made)) ? made : await this.#store.get(kid)
    }
    if (wrapped === undefined) throw new Fault('unavailable', { message: 'A subject key is not to be had now.' })
    return { kid, key: await this.#wrapping.unwrap(name, wrapped) }
  }
}

/** Opens wrapped keys of a region for a reader of the log; the result goes into a subject keys file. Throws Fault `unavailable`. */
export async function unwrapSubjectKeys(
  wrapping: WrappingKey,
  region: string,
  stored: Iterable<readonly [kid: string, wrapped: Uint8Array]>,
): Promise<SubjectKey[]> {
  return Promise.all(
    [...stored].map(async ([kid, wrapped]) => ({ kid, key: await wrapping.unwrap(wrappedName(region, kid), wrapped) })),
  )
}

/** What a wrapped key is bound to, so that one cannot stand in for another. */
function wrappedName(region: string, kid: string): string {
  return `${region}/${kid}`
}
