// `npm run clean`: removes the local plane, and says what that is.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const home = join(fileURLToPath(new URL('../../..', import.meta.url)), '.writ')
if (!existsSync(home)) {
  process.stdout.write(`There is no local plane: ${home} does not exist.\n`)
} else if (await isRunning()) {
  process.stderr.write('The local stack is running. Stop it first (Ctrl-C where npm start runs).\n')
  process.exitCode = 1
} else {
  process.stdout.write(
    [
      `Removing ${home}: keys and credentials of every identity, streams, Redis data, the plant’s state,`,
      'and the audit log with its evidence. It holds:',
      ...readdirSync(home).map((name) => `  ${name}`),
      '',
    ].join('\n'),
  )
  rmSync(home, { recursive: true, force: true })
  process.stdout.write('Removed. The next npm start makes a new plane.\n')
}

async function isRunning() {
  const { lockDirectory } = await import('@writ/durable').catch(() => ({}))
  if (lockDirectory === undefined) return false
  try {
    const lock = await lockDirectory(home)
    await lock[Symbol.asyncDispose]()
    return false
  } catch {
    return true
  }
}
