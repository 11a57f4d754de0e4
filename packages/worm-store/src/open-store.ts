import { Fault } from '@writ/contracts'
import { DirectoryStore } from './directory-store.ts'
import { parseS3Url } from './s3/s3-place.ts'
import { S3Store } from './s3/s3-store.ts'
import type { WormStore } from './store.ts'

/**
 * Opens the store that a `WRIT_STORE` value names: `file:<dir>`, absolute or relative to the working directory, or `s3://<bucket>/<prefix>`, with credentials,
 * region and endpoint from the AWS SDK's own environment. Nothing is asked of S3 yet.
 * Throws Fault `malformed` for anything else and where S3 has no region, `unavailable` where the directory cannot be made.
 */
export async function openStore(url: string): Promise<WormStore> {
  if (url.startsWith('s3:')) return await S3Store.open(parseS3Url(url))
  return await DirectoryStore.open(storeDirectory(url))
}

/** The directory that `file:<dir>` names; `file:///a/b` is the URL form of `file:/a/b`. Throws Fault `malformed` where it names none. */
export function storeDirectory(url: string): string {
  if (!url.startsWith('file:') || url.length === 'file:'.length)
    throw new Fault('malformed', { message: 'A store is named file:<dir> or s3://<bucket>/<prefix>.' })
  return url.slice('file:'.length).replace(/^\/\/(?=\/)/, '')
}
