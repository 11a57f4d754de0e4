import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { compareVersions, parseVersion } from './version.js'
/** Where the project keeps the tools it installed; the system's own are left alone. */
export function toolCache(env) {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'writ', 'tools')
}
/** Paths of a tool in the cache, newest first. A folder is there whole or not at all. */
export async function cached(dir, { name }) {
  const folders = (await readdir(dir).catch(() => [])).filter((folder) => folder.startsWith(`${name}-`))
  const versionOf = (folder) => parseVersion(folder.slice(name.length)) ?? [0, 0, 0]
  return folders
    .sort((a, b) => compareVersions(versionOf(b), versionOf(a)))
    .map((folder) => join(dir, folder, 'bin', name))
}
//# sourceMappingURL=cache.js.map
