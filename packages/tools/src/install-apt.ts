import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installer, Tool } from './catalogue.ts'
import { inPath, isExecutable } from './look-up.ts'
import { type Env, run } from './run.ts'

const TIMEOUT_MS = 5 * 60_000
/** As root, apt would hand the download to a user who may not write here. */
const UNSANDBOXED = ['-o', 'APT::Sandbox::User=root']

interface Apt {
  readonly dir: string
  readonly env: Env
  /** Options of every call. */
  readonly options: readonly string[]
}

/**
 * Unpacks a Debian package, and those of its libraries that the system lacks, below `dir`, without root and without
 * touching the system. Answers a complaint, or undefined when `dir/bin/<name>` is there.
 */
export async function installWithApt(
  tool: Tool,
  installer: Extract<Installer, { from: 'apt' }>,
  dir: string,
  env: Env,
): Promise<string | undefined> {
  for (const needed of ['apt-get', 'apt-cache', 'dpkg-deb', 'dpkg-query'])
    if ((await inPath(env, [needed])).length === 0) return `there is no ${needed}`
  await mkdir(join(dir, 'debs'), { recursive: true })
  const apt = { dir, env: { ...env, LC_ALL: 'C' }, options: UNSANDBOXED }
  const complaint = await fetchPackages(apt, installer)
  // The system's package lists are missing or out of date: take our own, for this once.
  const second = complaint === undefined ? undefined : await fetchPackages(await freshLists(apt), installer)
  if (second !== undefined) return second
  return (await unpack(apt)) ?? (await writeWrapper(tool, dir))
}

async function fetchPackages(apt: Apt, installer: Extract<Installer, { from: 'apt' }>): Promise<string | undefined> {
  const wanted = [installer.package, ...installer.alsoNeeded]
  const libraries = await missingLibraries(apt, installer.package)
  const args = ['download', ...apt.options, ...wanted, ...libraries]
  const { ok, complaint } = await run('apt-get', args, {
    env: apt.env,
    cwd: join(apt.dir, 'debs'),
    timeoutMs: TIMEOUT_MS,
  })
  return ok ? undefined : `apt-get download failed: ${complaint}`
}

const DEPENDS = '--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances'.split(' ')

/** Libraries that the package depends on and the system has not installed. */
async function missingLibraries(apt: Apt, name: string): Promise<readonly string[]> {
  const options = { env: apt.env, timeoutMs: TIMEOUT_MS }
  const all = await run('apt-cache', ['depends', '--recurse', ...DEPENDS, ...apt.options, name], options)
  const libraries = [...new Set(all.stdout.split('\n').filter((line) => /^lib[a-z0-9.+-]+$/.test(line)))]
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is dpkg's own
  const installed = await run('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Package}\n'], options)
  const there = new Set(installed.stdout.split('\n'))
  return libraries.filter((library) => !there.has(`installed ${library}`))
}

/** Package lists of our own, beside the download. */
async function freshLists(apt: Apt): Promise<Apt> {
  const lists = join(apt.dir, 'lists')
  await mkdir(join(lists, 'partial'), { recursive: true })
  const options = [...apt.options, '-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${join(apt.dir, 'cache')}`]
  await mkdir(join(apt.dir, 'cache', 'archives', 'partial'), { recursive: true })
  await run('apt-get', ['update', ...options], { env: apt.env, timeoutMs: TIMEOUT_MS })
  return { ...apt, options }
}

async function unpack({ dir, env }: Apt): Promise<string | undefined> {
  for (const file of await readdir(join(dir, 'debs'))) {
    if (!file.endsWith('.deb')) continue
    const { ok, complaint } = await run('dpkg-deb', ['-x', join(dir, 'debs', file), join(dir, 'root')], {
      env,
      timeoutMs: TIMEOUT_MS,
    })
    if (!ok) return `dpkg-deb failed: ${complaint}`
  }
  return undefined
}

/** A program that finds its libraries beside it, wherever the folder is moved. It replaces itself, so signals reach the tool. */
async function writeWrapper({ name }: Tool, dir: string): Promise<string | undefined> {
  if (!(await isExecutable(join(dir, 'root', 'usr', 'bin', name)))) return `the package holds no ${name}`
  const folders = await Promise.all(
    ['usr/lib', 'lib'].map(async (folder) => {
      const inside = await readdir(join(dir, 'root', folder)).catch(() => [])
      return [folder, ...inside.filter((one) => one.includes('-linux-')).map((one) => `${folder}/${one}`)]
    }),
  )
  const path = folders
    .flat()
    .map((folder) => `$root/${folder}`)
    .join(':')
  const script = `#!/bin/sh
root=$(CDPATH= cd -- "$(dirname -- "$0")/../root" && pwd) || exit 1
LD_LIBRARY_PATH="${path}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$root/usr/bin/${name}" "$@"
`
  await mkdir(join(dir, 'bin'), { recursive: true })
  await writeFile(join(dir, 'bin', name), script, { mode: 0o755 })
  return undefined
}
