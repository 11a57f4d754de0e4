export { type AddCheckpoint, formatAddCheckpoint, parseAddCheckpoint } from './add-checkpoint.ts'
export { type AuditEntry, auditEntry } from './audit-entry.ts'
export {
  type Checkpoint,
  formatCheckpoint,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpoint,
} from './checkpoint.ts'
export {
  type Appended,
  append,
  type Edge,
  EMPTY_EDGE,
  edgePaths,
  edgeRoot,
  readEdge,
  type TileObject,
} from './edge.ts'
export { epochOf, type LogName, originOf, parseOrigin } from './epoch.ts'
export { openLogCheckpoint, verifiersFor } from './log-verifier.ts'
export { EMPTY_ROOT, HASH_BYTES, leafHash, merkleRoot, nodeHash, sameHash } from './merkle.ts'
export {
  type Consistency,
  consistencyRanges,
  type Inclusion,
  inclusionRanges,
  type LeafRange,
  proveConsistency,
  proveInclusion,
  type RangeHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle-proof.ts'
export { type Cosignature, formatNote, type OpenedNote, openNote } from './note.ts'
export {
  cosignedText,
  formatVkey,
  NOTE_COSIGNATURE,
  NOTE_ECDSA,
  NOTE_ED25519,
  type NoteKeyType,
  type NoteVerifier,
  noteVerifier,
  parseVkey,
  spkiOfP256,
  timedSignature,
} from './note-key.ts'
export { type ClockRegression, type SignedTime, SignedTimes } from './signed-time.ts'
export { type ReadTile, tileHashes } from './tile-hashes.ts'
export {
  bundlePath,
  decodeBundle,
  decodeTile,
  ENTRY_BYTES_MAX,
  encodeBundle,
  encodeTile,
  fullTiles,
  levelsOf,
  partialWidth,
  TILE_WIDTH,
  tilePath,
} from './tiles.ts'
export { type PolicyLog, type PolicyWitness, parseTlogPolicy, type TlogPolicy } from './tlog-policy.ts'
export { formatTlogProof, openLogProof, parseTlogProof, type TlogProof, verifyTlogProof } from './tlog-proof.ts'
