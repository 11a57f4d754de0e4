import type { IntentRecords } from '../adapters/intent-records.ts'

export interface KnownKeyDeps {
  readonly records: IntentRecords
  /** Reads the bucket to its end: another replica may have recorded the intent a moment ago. */
  readonly catchUp: () => Promise<void>
}

/** The state key of an intent by its digest. A no is said only by who has read everything. */
export async function knownKey({ records, catchUp }: KnownKeyDeps, digest: string): Promise<string | undefined> {
  const known = records.index.keyOf(digest)
  if (known !== undefined) return known
  await catchUp()
  return records.index.keyOf(digest)
}
