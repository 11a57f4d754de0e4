import { readFile } from 'node:fs/promises'
import type { TellsVersion } from './catalogue.ts'
import { pythonOf } from './python-of.ts'
import { type Env, run } from './run.ts'
import { goVersion } from './version.ts'

const ASK_TIMEOUT_MS = 15_000

/** What is to be found out of a program's version, as text. Undefined: it does not run. */
export async function versionText(tells: TellsVersion, path: string, env: Env): Promise<string | undefined> {
  if (tells.by === 'go-build') return await buildVersion(path, tells.module)
  const [program, args] =
    tells.by === 'arguments'
      ? [path, tells.arguments]
      : [await pythonOf(path), ['-c', `import importlib.metadata as m; print(m.version('${tells.package}'))`]]
  if (program === undefined) return undefined
  const { ok, stdout } = await run(program, args, { env, timeoutMs: ASK_TIMEOUT_MS })
  return ok ? stdout : undefined
}

/** Go writes the main module and its version into what it builds: `mod<TAB><module><TAB><version>`. Empty: another module's, or a build without one. */
async function buildVersion(path: string, module: string): Promise<string | undefined> {
  const program = await readFile(path).catch(() => undefined)
  if (program === undefined) return undefined
  const line = Buffer.from(`\nmod\t${module}\t`)
  const at = program.indexOf(line)
  if (at === -1) return ''
  const [version = ''] = program
    .subarray(at + line.length, at + line.length + 80)
    .toString('latin1')
    .split(/[\t\n]/)
  return goVersion(version) ?? ''
}
