import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, syncDirectory, writeFileDurably } from '@writ/durable'
import type { Logger } from './logger.ts'

const FILES_MAX = 1000

/** What was refused for good and taken off its stream, kept for people to look at: `refused/<digest>`, at most 1,000 files. */
export class RefusedFiles {
  readonly #dir: string
  readonly #log: Logger

  constructor(stateDir: string, log: Logger) {
    this.#dir = join(stateDir, 'refused')
    this.#log = log
  }

  /** Best effort: beyond the limit, or while the disk fails, only the log tells. `digest` is ours, never a sender's text. */
  async keep(digest: string, body: Uint8Array): Promise<void> {
    try {
      if (!/^[A-Za-z0-9_-]{43}$/.test(digest)) throw new RangeError('not a digest')
      await mkdir(this.#dir, { recursive: true, mode: 0o700 })
      if ((await readdir(this.#dir)).length >= FILES_MAX) {
        this.#log.warn({ digest }, 'refused message not kept: the folder holds 1,000 already')
        return
      }
      await writeFileDurably(join(this.#dir, digest), body)
    } catch (error) {
      this.#log.warn({ digest, errno: errnoOf(error), err: error }, 'refused message not kept')
    }
  }

  /** Removes each message that `keeps` says no to. Throws what the disk says. */
  async forget(keeps: (body: Uint8Array) => boolean): Promise<void> {
    const names = await readdir(this.#dir).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return []
      throw error
    })
    for (const name of names) {
      const file = join(this.#dir, name)
      if (!keeps(await readFile(file))) await rm(file, { force: true })
    }
    if (names.length > 0) await syncDirectory(this.#dir)
  }
}
