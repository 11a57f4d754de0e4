import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Journal } from './journal.ts'
import { lockDirectory } from './lock-directory.ts'

const packageDir = fileURLToPath(new URL('..', import.meta.url))
let dir: string

/** The children run the built package: a process that is killed is one that Node started without a test runner in it. */
beforeAll(() => {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-b', packageDir], { stdio: 'pipe' })
}, 120_000)
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-killed-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

function child(script: string) {
  const source = `import { Journal, lockDirectory } from ${JSON.stringify(join(packageDir, 'dist', 'index.js'))}\n${script}`
  const process_ = spawn(process.execPath, ['--input-type=module', '-e', source, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { process: process_, lines: createInterface({ input: process_.stdout }) }
}

async function kill(process_: ReturnType<typeof child>['process']): Promise<void> {
  const ended = once(process_, 'exit')
  process_.kill('SIGKILL')
  await ended
}

test('what a killed process had acknowledged is replayed, in order and once', async () => {
  let acknowledged = -1
  for (let round = 0; round < 5; round++) {
    const { process: writer, lines } = child(`
      let n = ${acknowledged + 1}
      const journal = await Journal.open(process.argv[1] + '/journal', { replay: (r) => { n = Number(r.toString().trim()) + 1 } })
      for (;;) {
        const first = n
        await Promise.all(Array.from({ length: 8 }, () => journal.append(Buffer.from(String(n++).padEnd(200)))))
        process.stdout.write((first + 7) + '\\n')
      }`)
    let seen = 0
    for await (const line of lines) {
      acknowledged = Number(line)
      if (++seen === 20 + round * 7) break
    }
    await kill(writer)
    const replayed: number[] = []
    await using _ = await Journal.open(join(dir, 'journal'), { replay: (r) => replayed.push(Number(r.toString())) })
    expect(replayed.length).toBeGreaterThan(acknowledged)
    expect(replayed).toEqual(replayed.map((_, i) => i))
  }
})

test('a directory is held against another process, and free the moment its holder is killed', async () => {
  const { process: holder, lines } = child(`
    const lock = await lockDirectory(process.argv[1])
    process.stdout.write('locked\\n')
    setInterval(() => lock, 1000)`)
  await once(lines, 'line')
  await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(dir) })
  await kill(holder)
  await using lock = await lockDirectory(dir)
  expect(lock.dir).toBe(dir)
})
