import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '@writ/contracts'
import { errnoOf, syncDirectory, writeFileDurably } from '@writ/durable'

/** Makes a directory that only its owner may enter, also where it was there and open. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
}

/**
 * Writes a file of mode 0600 if it is not there, durably and whole: nobody ever reads a part. Answers whether it wrote it;
 * what is there stays as it is.
 */
export async function createSecretFile(path: string, content: string | Uint8Array): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeFileDurably(temporary, content)
    await link(temporary, path)
    await syncDirectory(dirname(path))
    return true
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') return false
    throw new Fault('unavailable', { message: `The file ${path} cannot be written.`, cause })
  } finally {
    await rm(temporary, { force: true })
  }
}

export function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    },
  )
}

/** Undefined when the file is not there. Throws Fault `unavailable` when it is open to others. */
export async function readSecretFile(path: string): Promise<Buffer | undefined> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0)
      throw new Fault('unavailable', { message: `The file ${path} is open to others; make it mode 0600.` })
    return await readFile(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The file's content, made by `make` the first time. Of two that make it at once, both get the one that was kept. */
export async function secretFile(
  path: string,
  make: () => string | Uint8Array | Promise<string | Uint8Array>,
): Promise<Buffer> {
  const found = await readSecretFile(path)
  if (found !== undefined) return found
  await makePrivateDirectory(dirname(path))
  await createSecretFile(path, await make())
  const kept = await readSecretFile(path)
  if (kept !== undefined) return kept
  throw new Fault('unavailable', { message: `The file ${path} vanished while it was made.` })
}
