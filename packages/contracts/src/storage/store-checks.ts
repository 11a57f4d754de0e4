import { z } from 'zod'
import { Id, type JsonObject, Sha256 } from '../messages/common.ts'

/** What is asked of a store before a log is opened in it. Closed and append-only: scripts branch on these, and the log names them. */
export const STORE_CHECKS = [
  /** The jurisdiction is in the residency table, and its row can be read. */
  'residency',
  /** Requests go to the SDK's own endpoint of the region, or to one that the table lists. */
  'endpoint',
  'partition',
  'bucket_region',
  'versioning',
  'object_lock',
  /** The configured retention is within the table's bounds. */
  'retention',
  /** The keys that sign checkpoints and their cosignatures: where they live and of which kind they are. */
  'log_key',
  'cosign_key',
  /** A first object is stored with its lock and its checksum, and read back so. */
  'first_write',
  'double_create',
  'overwrite',
  'stale_replace',
  'wrong_checksum',
  'delete_version',
  'bulk_delete',
  'delete_marker',
  'shorten_retention',
  'governance_mode',
  'clear_retention',
  'extend_retention',
  'suspend_versioning',
  /** Asked only of a store that let its versioning be suspended. */
  'overwrite_suspended',
  /** A store in a directory, which its owner can change with other tools. */
  'directory',
] as const
export type StoreCheck = (typeof STORE_CHECKS)[number]

/** What audit-sink says of its store in `source.started`, under `detail.store`: ids, numbers and digests only. */
export const StoreStatement = z.strictObject({
  kind: z.enum(['s3', 'directory']),
  /** Every check passed. */
  proven: z.boolean(),
  failed: z.array(z.enum(STORE_CHECKS)),
  /** Checks that a bucket policy answered, so that the lock itself was not asked. */
  by_policy: z.array(z.enum(STORE_CHECKS)).exactOptional(),
  /** The value of `WRIT_STORE_UNPROVEN` where the store is used although a check failed. */
  unproven: Id.exactOptional(),
  /** Digest of the residency table. */
  residency_sha256: Sha256.exactOptional(),
})
export type StoreStatement = z.output<typeof StoreStatement>

/** The statement in an event's `detail`, or undefined where there is none that can be read. */
export function storeStatementOf(detail: JsonObject | undefined): StoreStatement | undefined {
  const parsed = StoreStatement.safeParse(detail?.['store'])
  return parsed.success ? parsed.data : undefined
}
