import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { storageFault } from './storage-fault.ts'
import { syncDirectory } from './sync-directory.ts'

export interface WriteFileOptions {
  /** Permission bits of the new file; 0600 unless told otherwise. */
  readonly mode?: number
}

/**
 * Replaces a file whole: after it resolves the new bytes survive a power cut, and at any instant a reader finds the old
 * file or the new one. Throws Fault `unavailable` (disk full, no permission): then the old file is still there, unless only
 * the last flush failed, when either may be found after a power cut.
 */
export async function writeFileDurably(
  path: string,
  bytes: Uint8Array | string,
  options: WriteFileOptions = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw storageFault('Writing a file', cause)
  }
}
