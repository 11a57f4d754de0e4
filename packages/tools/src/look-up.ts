import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import type { Env } from './run.ts'

/** Every executable of one of the names in PATH, in its order; relative entries are not looked into. */
export async function inPath(env: Env, names: readonly string[]): Promise<readonly string[]> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const candidates = folders.flatMap((folder) => names.map((name) => join(folder, name)))
  const there = await Promise.all(candidates.map(isExecutable))
  return [...new Set(candidates.filter((_, n) => there[n]))]
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
