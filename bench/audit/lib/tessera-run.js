import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../tessera', import.meta.url))

/**
 * What Tessera's POSIX log takes in leaves of the same size on the same disk; undefined where Go is not at hand.
 *
 * @param {{ leaves: number, leafBytes: number, log: (line: string) => void }} options
 * @returns {Promise<{ leaves: number, leavesPerSecond: number } | undefined>}
 */
export async function measureTessera({ leaves, leafBytes, log }) {
  const dir = await mkdtemp(join(tmpdir(), 'writ-bench-tessera-'))
  const program = join(dir, 'bench-tessera')
  try {
    await run('go', ['build', '-o', program, '.'], { cwd: folder, env: { ...process.env, GOFLAGS: '-mod=mod' } })
    const args = ['--dir', join(dir, 'log'), '--leaves', String(leaves), '--bytes', String(leafBytes)]
    const { stdout } = await run(program, args)
    return JSON.parse(stdout)
  } catch (error) {
    log(`Tessera is not measured: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
    return undefined
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
