import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCli } from '@writ/cli'
import { preparePlant, type Stack, startStack } from '@writ/local'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const REGION = 'eusc-de-east-1'

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface RanJson {
  readonly code: number | null
  /** The one document that was written, to stdout or, of a failure, to stderr. */
  readonly value: Record<string, unknown>
}

/** The local stack with the pilot plant, and the command line: in this process, or as one of its own where that matters. */
export interface CliStage extends AsyncDisposable {
  readonly home: string
  readonly stack: Stack
  /** Where `agent` puts packages. */
  dir(name: string): string
  writ(...args: string[]): Promise<Ran>
  /** With `--json`. Throws when there is other text than one document. */
  json(...args: string[]): Promise<RanJson>
  /** A process of its own, as a person starts it. */
  spawned(...args: string[]): Promise<Ran>
  /** For commands that go on: a process of its own, with `--json`. */
  start(...args: string[]): ChildProcess
  /** With a context instead of `--home`; the variable when `variable` says so. */
  inContext(name: string, ...args: string[]): Promise<RanJson>
  /** Makes an agent for u-bo in the press hall. */
  agent(id: string, ...more: string[]): Promise<RanJson>
  /** Reads press-07 as one of those, and waits. */
  submit(id: string, ...more: string[]): Promise<RanJson>
}

export async function startCliStage(): Promise<CliStage> {
  const home = await mkdtemp(join(tmpdir(), 'writ-cli-'))
  const stack = await startStack({ home, root, env: process.env, region: REGION, log: () => undefined })
  await preparePlant(stack, root, () => undefined)
  const env = { ...process.env, XDG_CONFIG_HOME: join(home, 'config'), WRIT_CONTEXT: '' }
  const run = (args: readonly string[]) =>
    spawn(process.execPath, [join(root, 'packages/cli/bin/writ.js'), '--home', home, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    })
  const dir = (name: string) => join(home, 'made', name)
  const json = async (...args: string[]) => documentOf(await called(['--home', home, '--json', ...args], env))
  return {
    home,
    stack,
    dir,
    writ: (...args) => called(['--home', home, ...args], env),
    json,
    spawned: (...args) => ended(run(args)),
    start: (...args) => run(['--json', ...args]),
    inContext: async (name, ...args) => documentOf(await called(['--json', ...args], { ...env, WRIT_CONTEXT: name })),
    agent: (id, ...more) => json('agent', 'create', id, ...CEILING, '--out', dir(id), ...more),
    submit: (id, ...more) => json('intent', 'submit', '--agent', dir(id), ...LOOK, '--wait', ...more),
    [Symbol.asyncDispose]: async () => {
      await stack[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true })
    },
  }
}

const CEILING = ['--users', 'u-bo', '--actions', 'telemetry-read,restart', '--groups', 'press-hall']
/** The least that anybody asks. */
export const LOOK = ['--action', 'telemetry-read', '--target', 'press-07', '--user', 'u-bo', '--purpose', 'Look.']

async function called(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const texts = { out: '', err: '' }
  const code = await runCli(args, {
    out: { write: (text) => (texts.out += text) },
    err: { write: (text) => (texts.err += text) },
    env,
  })
  return { code, ...texts }
}

async function ended(child: ReturnType<typeof spawn>): Promise<Ran> {
  const texts = { out: '', err: '' }
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (texts.out += chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (texts.err += chunk))
  await once(child, 'close')
  return { code: child.exitCode, ...texts }
}

function documentOf({ code, out, err }: Ran): RanJson {
  if (out !== '' && err !== '') throw new Error(`Both stdout and stderr: ${out}${err}`)
  const text = out === '' ? err : out
  if (text.trimEnd().includes('\n')) throw new Error(`More than one line: ${text}`)
  return { code, value: JSON.parse(text) as Record<string, unknown> }
}
