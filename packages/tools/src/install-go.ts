import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installer, Tool } from './catalogue.ts'
import { inPath, isExecutable } from './look-up.ts'
import { type Env, run } from './run.ts'

const GO_ELSEWHERE = '/usr/local/go/bin/go'
const TIMEOUT_MS = 15 * 60_000

/** `go install` at the pinned version into `dir/bin`. Answers a complaint, or undefined when it is there. */
export async function installWithGo(
  { name }: Tool,
  { module, version, makes = name }: Extract<Installer, { from: 'go' }>,
  dir: string,
  env: Env,
): Promise<string | undefined> {
  const go = (await inPath(env, ['go']))[0] ?? ((await isExecutable(GO_ELSEWHERE)) ? GO_ELSEWHERE : undefined)
  if (go === undefined) return 'there is no Go toolchain'
  const bin = join(dir, 'bin')
  await mkdir(bin, { recursive: true })
  const target = `${module}@v${version}`
  const { ok, complaint } = await run(go, ['install', target], {
    env: { ...env, GOBIN: bin },
    cwd: dir,
    timeoutMs: TIMEOUT_MS,
  })
  if (!ok) return `go install ${target} failed: ${complaint}`
  if (!(await isExecutable(join(bin, makes)))) return `go install ${target} made no ${makes}`
  if (makes !== name) await rename(join(bin, makes), join(bin, name))
  return undefined
}
