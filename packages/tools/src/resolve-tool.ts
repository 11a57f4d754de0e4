import { isAbsolute } from 'node:path'
import { Fault } from '@writ/contracts'
import { cached, toolCache } from './cache.ts'
import { TOOLS, type Tool, type ToolName } from './catalogue.ts'
import { install, whileLocked } from './install.ts'
import { type Judgement, judge } from './judge.ts'
import { inPath } from './look-up.ts'
import type { Env } from './run.ts'
import { formatVersion, type Version } from './version.ts'
import { versionText } from './version-text.ts'

export interface ResolveOptions {
  readonly env: Env
  /** One line for a person: why a program was passed over, and that an installation takes a while. */
  readonly log: (line: string) => void
}

export interface ResolvedTool {
  /** Absolute path of an executable. */
  readonly path: string
  /** `2.15.2` */
  readonly version: string
  readonly from: 'variable' | 'path' | 'cache' | 'installed'
}

const HOW = { go: 'with Go', pip: 'with pip', apt: 'from the system’s packages' } as const

/**
 * Finds a tool that will do, or installs one: the path in the tool's variable, else PATH, else the project's cache, else
 * an installation into that cache. There is no fallback to anything that only looks like the tool.
 * Throws Fault `unavailable` that says what to install, and also when the variable names one that will not do.
 */
export async function resolveTool(name: ToolName, { env, log }: ResolveOptions): Promise<ResolvedTool> {
  const tool = TOOLS[name]
  const cache = toolCache(env)
  return (
    (await findTool(name, { env, log })) ??
    (await whileLocked(cache, tool, async () => {
      const meanwhile = await fromCache(tool, env)
      return meanwhile ?? installed(tool, cache, env, log)
    }))
  )
}

/** The same without the last resort: undefined where it would have to be installed. */
export async function findTool(name: ToolName, { env, log }: ResolveOptions): Promise<ResolvedTool | undefined> {
  const tool = TOOLS[name]
  const named = env[tool.variable]
  if (named !== undefined && named !== '') return fromVariable(tool, named, env)
  const inPlace = await firstGood(tool, await inPath(env, tool.names), env, log)
  return inPlace === undefined ? fromCache(tool, env) : { ...inPlace, from: 'path' }
}

async function fromCache(tool: Tool, env: Env): Promise<ResolvedTool | undefined> {
  const found = await firstGood(tool, await cached(toolCache(env), tool), env, () => undefined)
  return found === undefined ? undefined : { ...found, from: 'cache' }
}

async function fromVariable(tool: Tool, path: string, env: Env): Promise<ResolvedTool> {
  const judgement: Judgement = isAbsolute(path)
    ? await ask(tool, path, env)
    : { good: false, reason: 'it is no absolute path' }
  if (judgement.good) return { path, version: formatVersion(judgement.version), from: 'variable' }
  throw new Fault('unavailable', { message: `${tool.variable} names ${path}, which will not do: ${judgement.reason}.` })
}

async function installed(tool: Tool, cache: string, env: Env, log: (line: string) => void): Promise<ResolvedTool> {
  log(`Installing ${tool.name} ${HOW[tool.installer.from]} into ${cache}; this takes ${tool.installer.takes}, once.`)
  let version: Version = [0, 0, 0]
  const path = await install(cache, tool, env, async (made) => {
    const judgement = await ask(tool, made, env)
    if (!judgement.good)
      throw new Fault('unavailable', {
        message: `The ${tool.name} that was installed will not do: ${judgement.reason}.`,
      })
    version = judgement.version
    return version
  })
  return { path, version: formatVersion(version), from: 'installed' }
}

async function firstGood(
  tool: Tool,
  paths: readonly string[],
  env: Env,
  log: (line: string) => void,
): Promise<{ path: string; version: string } | undefined> {
  for (const path of paths) {
    const judgement = await ask(tool, path, env)
    if (judgement.good) return { path, version: formatVersion(judgement.version) }
    log(`Passing over ${path}: ${judgement.reason}.`)
  }
  return undefined
}

async function ask(tool: Tool, path: string, env: Env): Promise<Judgement> {
  return judge(tool, await versionText(tool.tells, path, env))
}
