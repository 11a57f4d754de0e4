import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HASH_BYTES } from '@writ/audit'
import { Fault } from '@writ/contracts'
import { errnoOf, writeFileDurably } from '@writ/durable'
import type { Witnessed } from './core/judge-checkpoint.ts'

/** The newest checkpoint of a log that was cosigned, as a file: what the witness stands by after any crash. */
export interface Recorded extends Witnessed {
  /** The signed note with this witness's cosignature. */
  readonly checkpoint: string
}

/** Logs that a witness remembers at most: a log key that is stolen must not fill its disk with names. */
const LOGS_MAX = 10_000

/**
 * One file a log, `<hex SHA-256 of its origin>.json`. A record that cannot be read stops its log: a witness that forgets would cosign a fork.
 */
export class Records {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** The newest of a log, by `logId`. Throws Fault `unavailable` where the file is there and is not what this wrote. */
  async read(id: string): Promise<Recorded | undefined> {
    const path = this.#path(id)
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw unreadable(path, error)
    })
    if (text === undefined) return undefined
    try {
      const found = JSON.parse(text) as Record<string, unknown>
      const { size, root, checkpoint } = found
      const hash = Buffer.from(String(root), 'base64')
      const origin = String(found['origin'])
      if (logId(origin) !== id || !Number.isSafeInteger(size) || hash.length !== HASH_BYTES)
        throw new TypeError('not a record of this log')
      return { size: Number(size), root: hash, checkpoint: String(checkpoint) }
    } catch (error) {
      throw unreadable(path, error)
    }
  }

  /** Durable when it resolves. Throws Fault `unavailable`. */
  async write(origin: string, { size, root, checkpoint }: Recorded): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const id = logId(origin)
    if ((await this.read(id)) === undefined) await this.#requireRoom()
    const record = { origin, size, root: Buffer.from(root).toString('base64'), checkpoint }
    await writeFileDurably(this.#path(id), `${JSON.stringify(record)}\n`)
  }

  async #requireRoom(): Promise<void> {
    const files = await readdir(this.#dir)
    if (files.length >= LOGS_MAX)
      throw new Fault('unavailable', { message: `This witness remembers ${LOGS_MAX} logs and takes no more.` })
  }

  #path(id: string): string {
    return join(this.#dir, `${id}.json`)
  }
}

/** How monitors ask for a log: hex SHA-256 of its origin. */
export const logId = (origin: string): string => createHash('sha256').update(origin).digest('hex')

function unreadable(path: string, cause: unknown): Fault {
  return new Fault('unavailable', {
    message: `The witness's record ${path} cannot be read; nothing of its log is cosigned.`,
    cause,
  })
}
