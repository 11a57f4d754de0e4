import { DESTROYED } from '@writ/audit'
import type { Bucket } from '@writ/bus'
import type { ErasableKeys } from './subject-eraser.ts'

/**
 * Wrapped subject keys in the flushed bucket `subject-keys`, which this service alone writes. The stream keeps one message a key: what takes
 * its place takes it away.
 */
export function bucketKeys(bucket: Bucket): ErasableKeys {
  return {
    get: async (keyId) => (await bucket.get(keyId))?.value,
    create: async (keyId, wrapped) => (await bucket.create(keyId, wrapped)) !== 'exists',
    destroy: async (keyId) => {
      await bucket.put(keyId, DESTROYED)
    },
  }
}
