import { randomBytes } from 'node:crypto'
import { Fault } from '@writ/contracts'
import { openPseudonyms, quarterOf, subjectKeyId, subjectOf, subjectOfKey } from './subject-ids.ts'
import { DERIVATION_ID, type WrappingKey } from './wrapping-key.ts'

/** Wrapped keys by key id. The one store from which a value can be purged, so that what was sealed under it is erased. */
export interface SubjectKeyStore {
  get(keyId: string): Promise<Uint8Array | undefined>
  /** Durable before it resolves. False when there is a value already: then nothing is written. */
  create(keyId: string, wrapped: Uint8Array): Promise<boolean>
}

/** Lies in the store where a key was destroyed, so that none is made again under its id. */
export const DESTROYED: Uint8Array = Uint8Array.of(0)
export const isDestroyed = (stored: Uint8Array): boolean => stored.length === 1 && stored[0] === 0

export interface SubjectKey {
  readonly kid: string
  /** 32 bytes. Secret. */
  readonly key: Uint8Array
}

/** How often a person's keys were destroyed, by operators' records as far as they are known here: the keys after that are other ones. */
export type Erasures = (subject: string) => number

/** The key of what is about nobody in particular: commands, control messages. It is never destroyed. */
export const RECORDS_KEY_ID = 'records'
/** With a wrapping key in KMS each one that is not here costs a request. */
const CACHED_KEYS_MAX = 10_000

/** The keys that documents are sealed under, one for each user and calendar quarter, and the pseudonyms that stand for users. */
export class SubjectKeys {
  readonly #wrapping: WrappingKey
  readonly #store: SubjectKeyStore
  readonly #region: string
  readonly #erasures: Erasures
  readonly #keys = new Map<string, Promise<SubjectKey>>()
  /** Who stands for whom, in this region. */
  readonly pseudonym: (user: string) => string

  private constructor(
    wrapping: WrappingKey,
    store: SubjectKeyStore,
    region: string,
    pseudonym: (user: string) => string,
    erasures: Erasures,
  ) {
    this.#wrapping = wrapping
    this.#store = store
    this.#region = region
    this.pseudonym = pseudonym
    this.#erasures = erasures
  }

  static async open(
    wrapping: WrappingKey,
    store: SubjectKeyStore,
    region: string,
    erasures: Erasures = () => 0,
  ): Promise<SubjectKeys> {
    return new SubjectKeys(wrapping, store, region, await openPseudonyms(wrapping, region), erasures)
  }

  /** The id of the key that what is said about a user now is sealed under. It names nobody, and can be made again to destroy the key. */
  keyId(user: string, nowMs: number): string {
    const subject = subjectOf(this.pseudonym(user))
    return subjectKeyId(subject, quarterOf(nowMs), this.#erasures(subject))
  }

  /** The user's key of this quarter, made when it is first asked for. Throws Fault `unavailable`: then nothing is recorded. */
  keyOf(user: string, nowMs: number): Promise<SubjectKey> {
    return this.#key(this.keyId(user, nowMs))
  }

  recordsKey(): Promise<SubjectKey> {
    return this.#key(RECORDS_KEY_ID)
  }

  /** Forgets the copies of a person's keys, which were destroyed. */
  forget(subject: string): void {
    for (const kid of this.#keys.keys()) if (subjectOfKey(kid) === subject) this.#keys.delete(kid)
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
    // The record of the erasure, which leads to the next key, is read by those who have not yet within seconds.
    if (isDestroyed(wrapped)) throw new Fault('unavailable', { message: 'A subject key was destroyed just now.' })
    return { kid, key: await this.#wrapping.unwrap(name, wrapped) }
  }
}

/** Opens wrapped keys of a region for a reader of the log; the result goes into a subject keys file. Throws Fault `unavailable`. */
export async function unwrapSubjectKeys(
  wrapping: WrappingKey,
  region: string,
  stored: Iterable<readonly [kid: string, wrapped: Uint8Array]>,
): Promise<SubjectKey[]> {
  const left = [...stored].filter(([kid, wrapped]) => kid !== DERIVATION_ID && !isDestroyed(wrapped))
  return Promise.all(
    left.map(async ([kid, wrapped]) => ({ kid, key: await wrapping.unwrap(wrappedName(region, kid), wrapped) })),
  )
}

/** What a wrapped key is bound to, so that one cannot stand in for another. */
function wrappedName(region: string, kid: string): string {
  return `${region}/${kid}`
}
