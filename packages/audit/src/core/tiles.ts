import { HASH_BYTES } from './merkle.ts'

/** Hashes in a full hash tile, entries in a full bundle (C2SP tlog-tiles). */
export const TILE_WIDTH = 256
/** An entry's length is written as 16 bits. */
export const ENTRY_BYTES_MAX = 65_535

/** Where tile `n` of a level lies, relative to the log's prefix. `width` is 1–256; 256 is the full tile. */
export function tilePath(level: number, n: number, width: number = TILE_WIDTH): string {
  if (!Number.isInteger(level) || level < 0 || level > 63) throw new RangeError(`no tile level ${level}`)
  return `tile/${level}/${numberPath(n)}${partialSuffix(width)}`
}

/** Where entry bundle `n` lies, relative to the log's prefix. */
export function bundlePath(n: number, width: number = TILE_WIDTH): string {
  return `tile/entries/${numberPath(n)}${partialSuffix(width)}`
}

/** Groups of three digits, all but the last with `x` before them: 1234067 is `x001/x234/067`. */
function numberPath(n: number): string {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`no tile ${n}`)
  const digits = String(n)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const groups = padded.match(/.{3}/g) ?? []
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/')
}

function partialSuffix(width: number): string {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) throw new RangeError(`no tile of width ${width}`)
  return width === TILE_WIDTH ? '' : `.p/${width}`
}

/** Hashes that the last, partial tile of a level has when the log has `size` leaves; 0 where there is no partial tile. */
export function partialWidth(level: number, size: number): number {
  return fullTiles(level - 1, size) % TILE_WIDTH
}

/** Full tiles of a level when the log has `size` leaves; level −1 counts leaves. */
export function fullTiles(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** (level + 1))
}

/** Levels at which a log of `size` leaves has any tile. */
export function levelsOf(size: number): number {
  let levels = 0
  while (fullTiles(levels - 1, size) > 0) levels++
  return levels
}

export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(hashes)
}

/** Throws RangeError unless the bytes are exactly `width` hashes. */
export function decodeTile(bytes: Uint8Array, width: number): Uint8Array[] {
  if (bytes.length !== width * HASH_BYTES) throw new RangeError(`${bytes.length} bytes are no tile of ${width} hashes`)
  return Array.from({ length: width }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
}

/** Entries one after another, each after its length as 16 bits, big-endian. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, { length }) => sum + 2 + requireLength(length), 0))
  let at = 0
  for (const entry of entries) {
    at = bytes.writeUInt16BE(entry.length, at)
    bytes.set(entry, at)
    at += entry.length
  }
  return bytes
}

function requireLength(length: number): number {
  if (length > ENTRY_BYTES_MAX) throw new RangeError(`an entry of ${length} bytes is over ${ENTRY_BYTES_MAX}`)
  return length
}

/** Throws RangeError unless the bytes are exactly `width` entries. */
export function decodeBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bytes.length && entries.length < width) {
    if (at + 2 > bytes.length) throw new RangeError('a bundle ends inside a length')
    const end = at + 2 + view.getUint16(at)
    if (end > bytes.length) throw new RangeError('a bundle ends inside an entry')
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  if (at !== bytes.length || entries.length !== width) throw new RangeError(`not a bundle of ${width} entries`)
  return entries
}
