export type { AuditStream, StoredMessage, StreamIdentity } from './audit-stream.ts'
export { BLOB_BYTES_MAX, putBlob } from './blobs.ts'
export type { Retention } from './log-files.ts'
export {
  blobKey,
  checkpointCopyKey,
  checkpointKey,
  closedKey,
  sealKey,
  stagingKey,
  tileKey,
  vkeyKey,
} from './log-keys.ts'
export { LogStopped } from './log-stopped.ts'
export { type Cosigner, cosignerVerifier, logVerifier, type NoteSigner, noteSignerOf } from './note-signer.ts'
export type { RefusedMessage } from './read-batch.ts'
export { decodeSeal, decodeStaged, type Seal, type Staged, type StreamPosition, type TreeHead } from './seal.ts'
export { type Opening, Sealer, type SealerOptions, type SealOutcome } from './sealer.ts'
export { type VerifierFilesOptions, writeVerifierFiles } from './verifier-files.ts'
