import { readdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Tool } from './catalogue.ts'
import type { Env } from './run.ts'
import { compareVersions, parseVersion } from './version.ts'

/** Where the project keeps the tools it installed; the system's own are left alone. */
export function toolCache(env: Env): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'writ', 'tools')
}

/** Paths of a tool in the cache, newest first. A folder is there whole or not at all. */
export async function cached(dir: string, { name }: Tool): Promise<readonly string[]> {
  const folders = (await readdir(dir).catch(() => [])).filter((folder) => folder.startsWith(`${name}-`))
  const versionOf = (folder: string) => parseVersion(folder.slice(name.length)) ?? ([0, 0, 0] as const)
  return folders
    .sort((a, b) => compareVersions(versionOf(b), versionOf(a)))
    .map((folder) => join(dir, folder, 'bin', name))
}
