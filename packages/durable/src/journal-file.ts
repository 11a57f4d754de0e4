import type { FileHandle } from 'node:fs/promises'

/** What a journal asks of its file. The seam at which tests make a disk fail. */
export interface JournalFile {
  /** Writes all of `bytes` at `position`, or throws with any part of them written. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Resolves when everything written before survives a power cut. */
  datasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

export function journalFile(handle: FileHandle): JournalFile {
  return {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
        done += bytesWritten
      }
    },
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    close: () => handle.close(),
  }
}
