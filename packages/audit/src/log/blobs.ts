import { type BlobRef, Fault } from '@writ/contracts'
import { sha256 } from '@writ/keys'
import type { WormStore } from '@writ/worm-store'
import { parseOrigin } from '../core/epoch.ts'
import { blobKey } from './log-keys.ts'

/** What a source may put beside the log at a time: four times the largest message that brings evidence. */
export const BLOB_BYTES_MAX: number = 1024 * 1024

/**
 * Writes a payload under its own digest, so that nobody can put other bytes in its place and writing it again changes nothing. Only what this has
 * returned may be named in an event: then a name in the log always has its object. `retainUntil`: at least as long as the log's own evidence is kept.
 * Throws Fault `too_large`, `unavailable` when storage does not answer, and `internal` where the key holds other bytes.
 */
export async function putBlob(
  store: Pick<WormStore, 'put'>,
  origin: string,
  bytes: Uint8Array,
  retainUntil: Date,
): Promise<BlobRef> {
  if (parseOrigin(origin) === undefined) throw new RangeError('not the origin of a log')
  if (bytes.length > BLOB_BYTES_MAX)
    throw new Fault('too_large', { message: `A payload beside the log has at most ${BLOB_BYTES_MAX} bytes.` })
  const digest = sha256(bytes)
  if ((await store.put(blobKey(origin, digest), bytes, retainUntil)) === 'conflict')
    throw new Fault('internal', { message: `${blobKey(origin, digest)} holds other bytes than its name says.` })
  return { origin, sha256: digest, length: bytes.length }
}
