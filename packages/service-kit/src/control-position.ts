import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlPosition } from '@writ/authority'
import { Fault, Id } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import { z } from 'zod'

const Position = z.strictObject({ stream: Id, seq: z.int().min(1), digest: z.string().regex(/^[A-Za-z0-9_-]{43}$/) })

/** How far this instance has read CONTROL, across restarts: a stream that holds less was lost or taken back. */
export interface PositionFile {
  /** undefined: there is none yet. Throws Fault `malformed` when the file is not what `write` wrote: that is no reason to begin anew. */
  read(): Promise<ControlPosition | undefined>
  write(position: ControlPosition): Promise<void>
}

export function positionFile(stateDir: string): PositionFile {
  const path = join(stateDir, 'control.json')
  return {
    read: async () => {
      const text = await readFile(path, 'utf8').catch((cause: unknown) => {
        if (errnoOf(cause) === 'ENOENT') return undefined
        throw new Fault('unavailable', { message: `${path} cannot be read.`, cause })
      })
      return text === undefined ? undefined : parse(path, text)
    },
    write: ({ stream, seq, digest }) => writeFileDurably(path, `${JSON.stringify({ stream, seq, digest })}\n`),
  }
}

function parse(path: string, text: string): ControlPosition {
  try {
    return Position.parse(JSON.parse(text))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} does not hold a position of CONTROL.`, cause })
  }
}
