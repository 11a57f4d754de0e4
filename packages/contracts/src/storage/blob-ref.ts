import { z } from 'zod'
import { type JsonObject, Sha256 } from '../messages/common.ts'

/** What one event may name: a source's key must not be able to keep a verifier reading for ever. */
const NAMED_MAX = 16

/** A payload too large for an audit message: a locked object beside the log, which an event names in `detail.blobs`. */
export const BlobRef = z.strictObject({
  /** The log beside which it lies: that of the epoch in which it was written, which may be the one before the event's. */
  origin: z.string().min(1).max(512),
  /** Of its bytes. */
  sha256: Sha256,
  /** In bytes. */
  length: z.int().min(0),
})
export type BlobRef = z.output<typeof BlobRef>

const BlobRefs = z.array(BlobRef).min(1).max(NAMED_MAX)

/** The payloads that an event's `detail` names; undefined where it names some in another form. */
export function blobRefsOf(detail: JsonObject | undefined): readonly BlobRef[] | undefined {
  const named = detail?.['blobs']
  if (named === undefined) return []
  const parsed = BlobRefs.safeParse(named)
  return parsed.success ? parsed.data : undefined
}
