import { crc32 } from 'node:zlib'

/**
 * The bytes of a journal file: a file header, then frames. A frame holds the records of one flush and is written after the one
 * before it was flushed, so a crash can damage the last frame and no other.
 *
 *   file header   8 bytes magic, 16 bytes salt, u32 CRC of both
 *   frame header  u32 magic, u32 number (from 0), u32 payload bytes, u32 CRC of the payload, u32 CRC of the 16 bytes before
 *   payload       records, each u32 length and bytes
 *
 * All integers are big endian. Frame CRCs start from the salt, so that bytes inside a record cannot pass for a frame.
 */
export const FILE_HEADER_BYTES = 28
export const FRAME_HEADER_BYTES = 20
const FILE_MAGIC = Buffer.from('writjnl1', 'latin1')
export const FRAME_MAGIC = 0x57524a46

export interface FrameHeader {
  readonly number: number
  readonly payloadBytes: number
  readonly payloadCrc: number
}

export function encodeFileHeader(salt: Uint8Array): Buffer {
  const head = Buffer.concat([FILE_MAGIC, salt, Buffer.alloc(4)])
  head.writeUInt32BE(crc32(head.subarray(0, 24)), 24)
  return head
}

/** The seed that the file's frames start their CRCs from, or undefined if this is no whole header of ours. */
export function decodeFileHeader(head: Buffer): number | undefined {
  if (head.length < FILE_HEADER_BYTES || !head.subarray(0, 8).equals(FILE_MAGIC)) return undefined
  return head.readUInt32BE(24) === crc32(head.subarray(0, 24)) ? crc32(head.subarray(8, 24)) : undefined
}

export function encodeFrame(seed: number, number: number, records: readonly Uint8Array[]): Buffer {
  const payloadBytes = records.reduce((sum, record) => sum + 4 + record.length, 0)
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payloadBytes)
  let at = FRAME_HEADER_BYTES
  for (const record of records) {
    at = frame.writeUInt32BE(record.length, at)
    frame.set(record, at)
    at += record.length
  }
  frame.writeUInt32BE(FRAME_MAGIC, 0)
  frame.writeUInt32BE(number, 4)
  frame.writeUInt32BE(payloadBytes, 8)
  frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEADER_BYTES), seed), 12)
  frame.writeUInt32BE(crc32(frame.subarray(0, 16), seed), 16)
  return frame
}

/** The frame header at the start of `bytes`, or undefined. Says nothing about the payload. */
export function decodeFrameHeader(seed: number, bytes: Buffer): FrameHeader | undefined {
  if (bytes.length < FRAME_HEADER_BYTES || bytes.readUInt32BE(0) !== FRAME_MAGIC) return undefined
  if (bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16), seed)) return undefined
  return { number: bytes.readUInt32BE(4), payloadBytes: bytes.readUInt32BE(8), payloadCrc: bytes.readUInt32BE(12) }
}

/** The records of a payload, or undefined if its CRC or its lengths do not fit. */
export function decodePayload(seed: number, header: FrameHeader, payload: Buffer): Buffer[] | undefined {
  if (payload.length !== header.payloadBytes || crc32(payload, seed) !== header.payloadCrc) return undefined
  const records: Buffer[] = []
  let at = 0
  while (at < payload.length) {
    if (payload.length - at < 4) return undefined
    const end = at + 4 + payload.readUInt32BE(at)
    if (end > payload.length) return undefined
    records.push(payload.subarray(at + 4, end))
    at = end
  }
  return records
}
