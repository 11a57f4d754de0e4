import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
/** Every executable of one of the names in PATH, in its order; relative entries are not looked into. */
export async function inPath(env, names) {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const candidates = folders.flatMap((folder) => names.map((name) => join(folder, name)))
  const there = await Promise.all(candidates.map(isExecutable))
  return [...new Set(candidates.filter((_, n) => there[n]))]
}
export async function isExecutable(path) {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
//# sourceMappingURL=look-up.js.map
