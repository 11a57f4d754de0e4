// The Merkle log, pure parts.
export { type Checkpoint, formatCheckpoint, openCheckpoint, parseCheckpoint } from './core/checkpoint.ts'
export {
  type Appended,
  append,
  type Edge,
  EMPTY_EDGE,
  edgePaths,
  edgeRoot,
  readEdge,
  type TileObject,
} from './core/edge.ts'
export { EMPTY_ROOT, HASH_BYTES, leafHash, merkleRoot, nodeHash, sameHash } from './core/merkle.ts'
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
} from './core/merkle-proof.ts'
export {
  formatNote,
  formatVkey,
  type NoteVerifier,
  noteVerifier,
  type OpenedNote,
  openNote,
  parseVkey,
} from './core/note.ts'
export { type ReadTile, tileHashes } from './core/tile-hashes.ts'
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
} from './core/tiles.ts'
export { formatTlogProof, parseTlogProof, type TlogProof, verifyTlogProof } from './core/tlog-proof.ts'
// The source side: what every service and gateway records with.
export * from './source/index.ts'
// Documents that are sealed so that they can be erased.
export * from './documents/index.ts'
