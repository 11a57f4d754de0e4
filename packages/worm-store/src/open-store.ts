import { Fault } from '@writ/contracts'
import { DirectoryStore } from './directory-store.ts'
import type { WormStore } from './store.ts'

/**
 * Opens the store that a `WRIT_STORE` value names: `file:<dir>`, absolute or relative to the working directory.
 * Throws Fault `unavailable` for `s3://…`, which this version cannot serve, for anything else, and where the directory cannot be made.
 */
export async function openStore(url: string): Promise<WormStore> {
  if (url.startsWith('file:') && url.length > 'file:'.length) return await DirectoryStore.open(directoryOf(url))
  const message = url.startsWith('s3://')
    ? 'S3 stores are not supported yet: name a directory, file:<dir>.'
    : 'A store is named file:<dir>.'
  throw new Fault('unavailable', { message })
}

/** `file:///a/b` is the URL form of `file:/a/b`. */
function directoryOf(url: string): string {
  return url.slice('file:'.length).replace(/^\/\/(?=\/)/, '')
}
