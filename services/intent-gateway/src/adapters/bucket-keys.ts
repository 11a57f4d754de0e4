import type { SubjectKeyStore } from '@writ/audit'
import type { Bucket } from '@writ/bus'

/** Wrapped subject keys in the flushed bucket `subject-keys`, which this service alone writes. */
export function bucketKeys(bucket: Bucket): SubjectKeyStore {
  return {
    get: async (keyId) => (await bucket.get(keyId))?.value,
    create: async (keyId, wrapped) => (await bucket.create(keyId, wrapped)) !== 'exists',
  }
}
