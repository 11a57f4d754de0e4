import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LOCAL_ROLES, type LocalRole, preparePlant, type Stack, type StackOptions, startStack } from '@writ/local'
import type { KeyReferences } from '@writ/plane'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const REGION = 'eusc-de-east-1'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
  /** The JSON document that `--json` printed. */
  readonly json: Readonly<Record<string, unknown>>
}

/** The local stack with the pilot plant, as `npm start` runs it, in a folder of its own. */
export interface LocalStack extends AsyncDisposable {
  readonly home: string
  readonly stack: Stack
  /** What the stack said; a supervised process that died is named here. */
  readonly said: readonly string[]
  /** The command line, as `npx writ` starts it. Throws when it fails and `fails` does not allow it. */
  writ(args: readonly string[], options?: { readonly fails?: boolean }): Promise<Ran>
  /** The sum of a counter's values whose labels contain `label`. */
  counter(role: LocalRole, name: string, label?: string): Promise<number>
  pids(): readonly (number | undefined)[]
}

export async function startLocalStack(
  name: string,
  env: Readonly<Record<string, string>> = {},
  keys?: KeyReferences,
  { region = REGION, around }: { readonly region?: string; readonly around?: StackOptions['around'] } = {},
): Promise<LocalStack> {
  const home = await mkdtemp(join(tmpdir(), `writ-${name}-`))
  const said: string[] = []
  const log = (line: string): void => void said.push(line)
  try {
    const stack = await startStack({
      home,
      root,
      env: { ...process.env, ...env },
      region,
      log,
      ...(around !== undefined && { around }),
      ...(keys !== undefined && { keys }),
    })
    try {
      await preparePlant(stack, root, log)
      return {
        home,
        stack,
        said,
        writ: (args, options) => runWrit(home, args, options?.fails ?? false),
        counter: (role, metric, label) => readCounter(stack.healthUrls[role], metric, label ?? ''),
        pids: () => [...LOCAL_ROLES, 'nats-server', 'redis-server'].map((process) => stack.pidOf(process)),
        [Symbol.asyncDispose]: async () => {
          await stack[Symbol.asyncDispose]()
          await rm(home, { recursive: true, force: true })
        },
      }
    } catch (error) {
      await stack[Symbol.asyncDispose]()
      throw error
    }
  } catch (error) {
    const logs = await Promise.all(LOCAL_ROLES.map((role) => lastLines(join(home, 'logs', `${role}.log`))))
    await rm(home, { recursive: true, force: true })
    throw new Error(`${String(error)}\n${said.join('\n')}\n${logs.join('\n')}`, { cause: error })
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => 'no log')
  return `${file}:\n${text.trim().split('\n').slice(-8).join('\n')}`
}

function runWrit(home: string, args: readonly string[], fails: boolean): Promise<Ran> {
  const file = join(root, 'node_modules', '.bin', 'writ')
  return new Promise((resolve, reject) => {
    execFile(file, ['--home', home, '--json', ...args], { cwd: root }, (error, out, err) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1
      if (code !== 0 && !fails) return reject(new Error(`writ ${args.join(' ')} exits ${code}: ${out}${err}`))
      resolve({ code, out, err, json: parsed(out) })
    })
  })
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

async function readCounter(healthUrl: string, name: string, label: string): Promise<number> {
  const text = await (await fetch(`${healthUrl}/metrics`)).text()
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
