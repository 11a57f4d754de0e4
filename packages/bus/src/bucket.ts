import { type Bucket as BucketName, bucketStream, bucketSubjects, Fault } from '@writ/contracts'
import { unavailable } from './link.ts'
import { last, read } from './read.ts'
import type { Requests } from './requests.ts'
import { isRefusal, type StoreOptions, store } from './store.ts'

export interface Entry {
  readonly value: Uint8Array
  readonly revision: number
}

/**
 * A key-value bucket: one message for each key in the stream `KV_<name>`, as any NATS client's KV has it. Every write is
 * acknowledged as durably as the stream is set; of two that name the same revision one gets the no. Faults as `store`'s.
 */
export interface Bucket {
  /** The new revision, or `exists`: the key has a value. */
  create(key: string, value: Uint8Array | string): Promise<number | 'exists'>
  get(key: string): Promise<Entry | undefined>
  /** The new revision, or `stale`: `revision` is not the key's. */
  update(key: string, value: Uint8Array | string, revision: number): Promise<number | 'stale'>
  put(key: string, value: Uint8Array | string): Promise<number>
  /** The value is gone; a mark of it stays until the stream's age takes it. */
  delete(key: string): Promise<void>
  /** Every key that has a value, in order of its revision, by the permission to read the whole stream. */
  entries(): AsyncIterable<Entry & { readonly key: string }>
}

/** How often `create` looks again when marks of deletion come and go under it. */
const TRIES = 3
const KEY = /^(?!\.)(?!.*\.\.)[-/_=.A-Za-z0-9]{1,512}(?<!\.)$/

export function bucket(requests: Requests, name: BucketName): Bucket {
  const stream = bucketStream(name)
  const prefix = bucketSubjects(name).slice(0, -1)
  const subjectOf = (key: string): string => {
    if (!KEY.test(key)) throw new Fault('malformed', { message: 'A key of a bucket has other characters.' })
    return `${prefix}${key}`
  }
  const write = async (key: string, value: Uint8Array | string, options?: Partial<StoreOptions>): Promise<number> =>
    (await store(requests, subjectOf(key), value, { ...options, stream })).seq
  const writeAfter = (key: string, value: Uint8Array | string, seq: number): Promise<number | undefined> =>
    write(key, value, { expectLast: { seq } }).catch((error: unknown) => {
      if (isRefusal(error, 'wrong-last-sequence')) return undefined
      throw error
    })
  return {
    create: async (key, value) => {
      for (let tries = 0, seq = 0; tries < TRIES; tries++) {
        const revision = await writeAfter(key, value, seq)
        if (revision !== undefined) return revision
        const found = await last(requests, stream, subjectOf(key))
        if (found?.deleted === false) return 'exists'
        seq = found?.seq ?? 0
      }
      throw unavailable('The key changes all the time.')
    },
    get: async (key) => {
      const found = await last(requests, stream, subjectOf(key))
      return found === undefined || found.deleted ? undefined : { value: found.data, revision: found.seq }
    },
    update: async (key, value, revision) => (await writeAfter(key, value, revision)) ?? 'stale',
    put: (key, value) => write(key, value),
    delete: async (key) => {
      await write(key, '', { headers: { 'KV-Operation': 'DEL' } })
    },
    entries: async function* () {
      for await (const { subject, deleted, data, seq } of read(requests, stream, { fromSeq: 1, filter: `${prefix}>` }))
        if (!deleted) yield { key: subject.slice(prefix.length), value: data, revision: seq }
    },
  }
}
