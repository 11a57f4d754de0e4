import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installer, Tool } from './catalogue.ts'
import { inPath } from './look-up.ts'
import { type Env, run } from './run.ts'

const TIMEOUT_MS = 10 * 60_000

/**
 * A Python environment of its own below `dir`, with the pinned package, and a program that starts it from wherever the folder is moved: the scripts that pip
 * writes name the folder in which they were made. Answers a complaint, or undefined when `dir/bin/<name>` is there.
 */
export async function installWithPip(
  { name }: Tool,
  installer: Extract<Installer, { from: 'pip' }>,
  dir: string,
  env: Env,
): Promise<string | undefined> {
  const [python] = await inPath(env, ['python3'])
  if (python === undefined) return 'there is no python3'
  const venv = join(dir, 'venv')
  const made = await run(python, ['-m', 'venv', venv], { env, timeoutMs: TIMEOUT_MS })
  if (!made.ok) return `python3 -m venv failed (on Debian it needs the package python3-venv): ${made.complaint}`
  const wanted = `${installer.package}==${installer.version}`
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', wanted]
  const { ok, complaint } = await run(join(venv, 'bin', 'python3'), args, { env, timeoutMs: TIMEOUT_MS })
  if (!ok) return `pip install ${wanted} failed: ${complaint}`
  const script = `#!/bin/sh
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
exec "$root/venv/bin/python3" -m ${installer.runs} "$@"
`
  await mkdir(join(dir, 'bin'), { recursive: true })
  await writeFile(join(dir, 'bin', name), script, { mode: 0o755 })
  return undefined
}
