import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { Fault } from '@writ/contracts'
import { syncDirectory } from '@writ/durable'

/**
 * Makes a file that is either whole or not there: it is written beside its place with mode 0600, flushed, and then renamed. `write` is given the
 * path and a handle to it, either of which it may use. Throws Fault `unavailable` where that cannot be made.
 */
export async function writeWhole<T>(
  path: string,
  write: (partial: string, handle: FileHandle) => Promise<T>,
): Promise<T> {
  const file = resolve(path)
  const partial = `${file}.${process.pid}.partial`
  const handle = await open(partial, 'wx', 0o600).catch((cause: unknown) => {
    throw new Fault('unavailable', { message: `${partial} cannot be made.`, cause })
  })
  try {
    const made = await write(partial, handle)
    await handle.sync()
    await handle.close()
    await rename(partial, file)
    await syncDirectory(dirname(file))
    return made
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(partial, { force: true })
    throw error
  }
}

const BUFFER_CHARACTERS = 256 * 1024

/** Lines of NDJSON, as they come; little of it is held at a time. */
export async function writeLines(handle: FileHandle, lines: AsyncIterable<object>): Promise<number> {
  let [text, count] = ['', 0]
  for await (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    count += 1
    if (text.length < BUFFER_CHARACTERS) continue
    await handle.writeFile(text)
    text = ''
  }
  if (text !== '') await handle.writeFile(text)
  return count
}
