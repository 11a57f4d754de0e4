import { openCheckpoint } from '../core/checkpoint.ts'
import type { LogFiles } from './log-files.ts'
import { checkpointCopyKey } from './log-keys.ts'
import { sameTree } from './log-state.ts'
import { LogStopped } from './log-stopped.ts'
import type { NoteSigner } from './note-signer.ts'
import type { TreeHead } from './seal.ts'

/** The tree that a checkpoint in the store is about. Throws LogStopped where this log's key has not signed it. */
export function signedTree({ origin }: LogFiles, signer: NoteSigner, key: string, note: Uint8Array): TreeHead {
  try {
    const { size, root } = openCheckpoint(Buffer.from(note).toString(), [signer.verifier(origin)])
    return { size, root: Buffer.from(root).toString('base64url') }
  } catch (cause) {
    throw new LogStopped(origin, { message: `${key} is not signed by the log key`, cause })
  }
}

/**
 * The copy that was kept when a tree was signed: of this log's key's word on one size there is one, for good. Throws LogStopped where it is missing or
 * about another tree.
 */
export async function signedCopy(files: LogFiles, signer: NoteSigner, tree: TreeHead): Promise<Uint8Array> {
  const key = checkpointCopyKey(files.origin, tree.size)
  const note = await files.read(key)
  if (!sameTree(signedTree(files, signer, key, note), tree))
    throw new LogStopped(files.origin, { message: `${key} is about another tree` })
  return note
}
