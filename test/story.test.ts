import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = join(root, 'deploy/local/dist/main.js')
let home: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'writ-story-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly text: string
}

async function start(
  args: readonly string[],
  until?: { readonly text: string; readonly signal: NodeJS.Signals },
): Promise<Ran> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, WRIT_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  let signalled = false
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (until !== undefined && !signalled && text.includes(until.text)) signalled = child.kill(until.signal)
    })
  }
  await once(child, 'close')
  return { code: child.exitCode, text }
}

/** Processes whose command line or environment names the folder of this test. */
async function leftRunning(): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [command, environment] = await Promise.all(
      ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
    )
    if (Number(pid) !== process.pid && (command?.includes(home) || environment?.includes(home)))
      found.push(`${pid} ${command}`)
  }
  return found
}

describe('the story of npm start', () => {
  test('comes out as it should on a fresh folder, and leaves no process behind', async () => {
    const { code, text } = await start(['--once'])
    expect(code, text).toBe(0)
    expect(text.match(/✓ as it should be/g)).toHaveLength(11)
    const shown = await readFile(join(root, 'README.md'), 'utf8')
    for (const title of shown.match(/^\d+\. .+$/gm) ?? []) expect(text).toContain(title)
    expect(await leftRunning()).toEqual([])
  })

  test('comes out again on what the first run left, with the first device action within 15 s', async () => {
    const { code, text } = await start(['--once'])
    expect(code, text).toBe(0)
    expect(await leftRunning()).toEqual([])
  })

  test('stays up, says what to type next, and stops everything on Ctrl-C', async () => {
    const { text } = await start([], { text: 'In a second terminal', signal: 'SIGINT' })
    expect(text).toContain('npx writ audit verify')
    expect(await leftRunning()).toEqual([])
  })

  test('ends what an earlier start left running when that was killed', async () => {
    await start([], { text: 'In a second terminal', signal: 'SIGKILL' })
    expect((await leftRunning()).length).toBeGreaterThan(0)
    const { code, text } = await start(['--once'])
    expect(text).toContain('had left running')
    expect(code, text).toBe(0)
    expect(await leftRunning()).toEqual([])
  })

  test('names a port that is taken', async () => {
    const ports = JSON.parse(await readFile(join(home, 'ports.json'), 'utf8')) as Record<string, number>
    const { createServer } = await import('node:net')
    const server = createServer().listen(ports['redis'], '127.0.0.1')
    await once(server, 'listening')
    const { code, text } = await start(['--once'])
    server.close()
    expect(code).toBe(1)
    expect(text).toContain(`Port ${ports['redis']} (redis) is taken`)
    expect(await leftRunning()).toEqual([])
  })

  test('refuses an argument that it does not know', async () => {
    expect((await start(['--twice'])).code).toBe(2)
  })
})
