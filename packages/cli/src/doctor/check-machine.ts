import { execFile } from 'node:child_process'
import { access, constants, readdir, statfs } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import { type Finding, fail, ok, warn } from './finding.ts'

type Env = Readonly<Record<string, string | undefined>>

const NODE_MIN = [20, 20] as const

/** @param version as `process.versions.node` */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return ok('node', `Node ${version}`)
  return fail('node', `Node ${version} is too old.`, `Install Node ${NODE_MIN.join('.')} or later: https://nodejs.org`)
}

/** What a local plane needs beside Node. */
export interface NeededTool {
  readonly name: string
  readonly names: readonly string[]
  readonly variable: string
  readonly ask: string
  readonly minimum: readonly [number, number, number]
  readonly what: string
}

export const NEEDED_TOOLS: readonly NeededTool[] = [
  {
    name: 'nats-server',
    names: ['nats-server'],
    variable: 'WRIT_NATS_SERVER',
    ask: '--version',
    minimum: [2, 12, 0],
    what: 'the message bus',
  },
  {
    name: 'redis-server',
    names: ['redis-server', 'valkey-server'],
    variable: 'WRIT_REDIS_SERVER',
    ask: '--version',
    minimum: [7, 0, 0],
    what: 'the record of tokens',
  },
]

/** As the local plane looks for it: its variable, PATH, then the project's cache. Nothing is installed. */
export async function checkTool(tool: NeededTool, env: Env): Promise<Finding> {
  const check = `tool ${tool.name}`
  const old: string[] = []
  for (const path of await candidates(tool, env)) {
    const version = await versionOf(path, tool.ask)
    if (version !== undefined && !isOlder(version, tool.minimum)) return ok(check, `${version.join('.')} at ${path}`)
    if (version !== undefined) old.push(`${version.join('.')} at ${path}`)
  }
  const named = env[tool.variable] ?? ''
  if (named !== '')
    return fail(check, `${tool.variable} names ${named}, which will not do.`, `Correct ${tool.variable}, or unset it.`)
  const found =
    old.length === 0
      ? `${tool.what} is not installed yet.`
      : `Only ${old.join(', ')}: older than ${tool.minimum.join('.')}.`
  return warn(check, found, `\`npm start\` installs it, or name one with ${tool.variable}.`)
}

async function candidates({ name, names, variable }: NeededTool, env: Env): Promise<readonly string[]> {
  const named = env[variable] ?? ''
  if (named !== '') return isAbsolute(named) ? [named] : []
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute)
  const cache = join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'writ', 'tools')
  const kept = (await readdir(cache).catch(() => [])).filter((folder) => folder.startsWith(`${name}-`))
  const all = [
    ...folders.flatMap((folder) => names.map((each) => join(folder, each))),
    ...kept.map((folder) => join(cache, folder, 'bin', name)),
  ]
  const there = await Promise.all(all.map(isExecutable))
  return all.filter((_, at) => there[at])
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  )

function versionOf(path: string, ask: string): Promise<readonly number[] | undefined> {
  return new Promise((resolve) => {
    execFile(path, [ask], { timeout: 10_000 }, (error, out) => {
      const found = error === null ? /(\d+)\.(\d+)\.(\d+)/.exec(out) : null
      resolve(found === null ? undefined : found.slice(1, 4).map(Number))
    })
  })
}

function isOlder(version: readonly number[], minimum: readonly number[]): boolean {
  const at = minimum.findIndex((part, index) => part !== version[index])
  return at >= 0 && (version[at] ?? 0) < (minimum[at] ?? 0)
}

const FREE_BYTES_WARN = 2 * 1024 ** 3
const FREE_BYTES_FAIL = 256 * 1024 ** 2

/** A full disk stops the plane: what cannot be recorded is not done. */
export async function checkDisk(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${folder}`
  if (free >= FREE_BYTES_WARN) return ok('disk', found)
  const grade = free < FREE_BYTES_FAIL ? fail : warn
  return grade('disk', `Only ${found}.`, 'Make room: a plane that cannot write refuses everything.')
}
