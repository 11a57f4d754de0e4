import { link, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault, type PublicJwk } from '@writ/contracts'
import { errnoOf, syncDirectory, writeFileDurably } from '@writ/durable'
import { type Algorithm, generateJwk, publicJwk, readKeyFile } from '@writ/keys'

/**
 * The keys of an enrolment package while they are rotated. `key.jwk` is there at every instant; the new key is written before its record is
 * filed, and the old one is kept as `key.old.jwk` until a record without it is in force.
 */
export interface KeyFiles {
  readonly current: string
  readonly next: string
  readonly old: string
}

export function keyFiles(folder: string): KeyFiles {
  return { current: join(folder, 'key.jwk'), next: join(folder, 'key.next.jwk'), old: join(folder, 'key.old.jwk') }
}

/** The public half of a key file; undefined when it is not there. */
export async function publicKeyIn(file: string): Promise<PublicJwk | undefined> {
  if (!(await exists(file))) return undefined
  return publicJwk(await readKeyFile(file))
}

/** The next key: made and durable, or found where an earlier try left it. */
export async function nextKey(files: KeyFiles, algorithm: Algorithm): Promise<PublicJwk> {
  const known = await publicKeyIn(files.next)
  if (known !== undefined) return known
  await mkdir(dirname(files.next), { recursive: true, mode: 0o700 })
  const made = generateJwk(algorithm)
  await writeFileDurably(files.next, `${JSON.stringify(made)}\n`, { mode: 0o600 })
  return publicJwk(made)
}

/** The new key becomes the package's; the old one lies beside it. What was done already by an interrupted try stays. */
export async function takeUpNext(folder: string, files: KeyFiles): Promise<void> {
  await link(files.current, files.old).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
  })
  await syncDirectory(folder)
  await rename(files.next, files.current)
  await syncDirectory(folder)
}

export async function forgetOld(folder: string, files: KeyFiles): Promise<void> {
  await rm(files.old, { force: true })
  await syncDirectory(folder)
}

/** The package's own key. Throws Fault `unavailable` where there is none. */
export async function currentKey({ current }: KeyFiles): Promise<PublicJwk> {
  const key = await publicKeyIn(current)
  if (key === undefined) throw new Fault('unavailable', { message: `${current} is missing.` })
  return key
}

export function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    },
  )
}
