import { crc32 } from 'node:zlib'
import { createTar } from 'nanotar'
import type { SourceFile } from './sources.ts'

const BLOCK_BYTES_MAX = 0xffff
const NAME_BYTES_MAX = 100

/** Packs files as a gzipped tar whose bytes depend on nothing but names and contents: no times, no owners, no compressor. Names begin with `/`, as OPA wants them. */
export function packBundle(files: readonly SourceFile[]): Uint8Array {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  for (const { path } of sorted) {
    if (Buffer.byteLength(`/${path}`) > NAME_BYTES_MAX) throw new Error(`${path}: the name is too long for a bundle.`)
  }
  const tar = createTar(
    sorted.map(({ path, bytes }) => ({ name: `/${path}`, data: bytes })),
    { attrs: { mode: '644', uid: 0, gid: 0, mtime: 0 } },
  )
  return storedGzip(tar)
}

/**
 * gzip (RFC 1952) with stored blocks (RFC 1951 section 3.2.4). Compressors change their output between versions of Go, Node and
 * zlib, and a bundle is compared byte for byte; it travels rarely and git compresses it anyway.
 */
function storedGzip(data: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)]
  for (let at = 0; at < data.byteLength; at += BLOCK_BYTES_MAX) {
    const block = data.subarray(at, at + BLOCK_BYTES_MAX)
    const header = Buffer.alloc(5)
    header.writeUInt8(at + BLOCK_BYTES_MAX >= data.byteLength ? 1 : 0, 0)
    header.writeUInt16LE(block.byteLength, 1)
    header.writeUInt16LE(~block.byteLength & 0xffff, 3)
    parts.push(header, block)
  }
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(crc32(data), 0)
  trailer.writeUInt32LE(data.byteLength, 4)
  return Buffer.concat([...parts, trailer])
}
