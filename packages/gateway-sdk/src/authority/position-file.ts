import { readFile } from 'node:fs/promises'
import type { ControlPosition } from '@writ/authority'
import { Fault, Id, Sequence, Sha256 } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'

/** How far this gateway had read CONTROL. Throws Fault `unavailable` when the file is there and is not one of ours. */
export async function readPosition(path: string): Promise<ControlPosition | undefined> {
  try {
    const { stream, seq, digest } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    return { stream: Id.parse(stream), seq: Sequence.parse(seq), digest: Sha256.parse(digest) }
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined
    throw new Fault('unavailable', { message: `The control position in ${path} cannot be read.`, cause })
  }
}

export function writePosition(path: string, position: ControlPosition): Promise<void> {
  return writeFileDurably(path, `${JSON.stringify(position)}\n`)
}
