// `npm start`: builds what has to be built, then hands over to the local stack. Plain JavaScript, so that nothing is needed before it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
process.stdout.write('Building …\n')
const built = spawnSync('npm', ['run', '--silent', 'build'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'pipe'],
  encoding: 'utf8',
})
if (built.status !== 0) {
  process.stderr.write(
    `${built.stdout}${built.stderr}\nThe build failed. After a fresh clone run: npm ci && npm start\n`,
  )
  process.exit(1)
}
await import('../dist/main.js')
