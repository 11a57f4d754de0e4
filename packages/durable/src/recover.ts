import type { FileHandle } from 'node:fs/promises'
import { Fault } from '@writ/contracts'
import {
  decodeFileHeader,
  decodeFrameHeader,
  decodePayload,
  FILE_HEADER_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
} from './frame.ts'

export interface Recovered {
  readonly seed: number
  /** Where the next frame goes; what lies behind it is a torn write. */
  readonly bytes: number
  readonly nextFrame: number
}

const SEARCH_CHUNK_BYTES = 1 << 20

/**
 * Reads a journal file from its start and hands every whole record to `replay`, in order. A frame that is damaged and is not the
 * last thing written throws Fault `internal`: what is missing there was acknowledged, and carrying on would hide it.
 */
export async function recover(
  file: FileHandle,
  frameBytesMax: number,
  replay: (record: Buffer) => void,
): Promise<Recovered> {
  const { size } = await file.stat()
  const seed = decodeFileHeader(await readAt(file, 0, FILE_HEADER_BYTES))
  if (seed === undefined) throw damaged('its header is not one of ours')
  let bytes = FILE_HEADER_BYTES
  let nextFrame = 0
  while (bytes < size) {
    const header = decodeFrameHeader(seed, await readAt(file, bytes, FRAME_HEADER_BYTES))
    const whole = header === undefined ? undefined : bytes + FRAME_HEADER_BYTES + header.payloadBytes
    if (header !== undefined && (header.number !== nextFrame || header.payloadBytes > frameBytesMax)) {
      throw damaged(`frame ${nextFrame} is not the one that belongs there`)
    }
    const records =
      header === undefined || whole === undefined || whole > size
        ? undefined
        : decodePayload(seed, header, await readAt(file, bytes + FRAME_HEADER_BYTES, header.payloadBytes))
    if (records === undefined || whole === undefined) {
      const followed = whole !== undefined && whole < size
      if (followed || (await holdsLaterFrame(file, seed, bytes + 1, size, nextFrame))) {
        throw damaged(`frame ${nextFrame} is damaged and others follow it`)
      }
      break
    }
    for (const record of records) replay(record)
    bytes = whole
    nextFrame += 1
  }
  return { seed, bytes, nextFrame }
}

async function holdsLaterFrame(file: FileHandle, seed: number, from: number, to: number, after: number) {
  const magic = Buffer.alloc(4)
  magic.writeUInt32BE(FRAME_MAGIC, 0)
  for (let start = from; start < to; start += SEARCH_CHUNK_BYTES) {
    const chunk = await readAt(file, start, SEARCH_CHUNK_BYTES + FRAME_HEADER_BYTES)
    for (let at = chunk.indexOf(magic); at >= 0; at = chunk.indexOf(magic, at + 1)) {
      const header = decodeFrameHeader(seed, chunk.subarray(at, at + FRAME_HEADER_BYTES))
      if (header !== undefined && header.number > after) return true
    }
  }
  return false
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let read = 0
  while (read < length) {
    const { bytesRead } = await file.read(buffer, read, length - read, position + read)
    if (bytesRead === 0) break
    read += bytesRead
  }
  return buffer.subarray(0, read)
}

function damaged(why: string): Fault {
  return new Fault('internal', { message: `A journal file is damaged: ${why}.` })
}
