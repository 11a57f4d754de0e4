import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '@writ/contracts'
import { type DirectoryLock, lockDirectory } from '@writ/durable'
import type { Tool } from './catalogue.ts'
import { installWithApt } from './install-apt.ts'
import { installWithGo } from './install-go.ts'
import { installWithPip } from './install-pip.ts'
import { advice } from './judge.ts'
import type { Env } from './run.ts'
import { formatVersion, type Version } from './version.ts'

const LOCK_WAIT_MS = 20 * 60_000
const LOCK_RETRY_MS = 250

/** One installer of a tool at a time, over all processes of this machine. */
export async function whileLocked<T>(cache: string, tool: Tool, body: () => Promise<T>): Promise<T> {
  await using _lock = await lock(join(cache, '.locks', tool.name))
  return await body()
}

async function lock(dir: string): Promise<DirectoryLock> {
  await mkdir(dir, { recursive: true })
  for (const deadline = performance.now() + LOCK_WAIT_MS; ; await sleep(LOCK_RETRY_MS)) {
    try {
      return await lockDirectory(dir)
    } catch (error) {
      if (!isFault(error) || performance.now() > deadline) throw error
    }
  }
}

/**
 * Installs into a folder beside the cache's others, asks `versionOf` whether it will do, and only then gives it its
 * name: a folder in the cache is whole. Throws Fault `unavailable` with what a person can do about it.
 */
export async function install(
  cache: string,
  tool: Tool,
  env: Env,
  versionOf: (path: string) => Promise<Version>,
): Promise<string> {
  await mkdir(cache, { recursive: true })
  const dir = await mkdtemp(join(cache, '.new-'))
  try {
    const complaint = await installFrom(tool, dir, env)
    if (complaint !== undefined)
      throw new Fault('unavailable', { message: `${advice(tool)} (Tried here: ${complaint})` })
    const version = await versionOf(join(dir, 'bin', tool.name))
    for (const leftover of ['debs', 'lists', 'cache']) await rm(join(dir, leftover), { recursive: true, force: true })
    const folder = join(cache, `${tool.name}-${formatVersion(version)}`)
    await rm(folder, { recursive: true, force: true })
    await rename(dir, folder)
    return join(folder, 'bin', tool.name)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** A complaint, or undefined when `dir/bin/<name>` is there. */
async function installFrom(tool: Tool, dir: string, env: Env): Promise<string | undefined> {
  const { installer } = tool
  if (installer.from === 'go') return await installWithGo(tool, installer, dir, env)
  if (installer.from === 'pip') return await installWithPip(tool, installer, dir, env)
  return await installWithApt(tool, installer, dir, env)
}
