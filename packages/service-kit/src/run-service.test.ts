import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'

const packageDir = fileURLToPath(new URL('..', import.meta.url))

/** The children run the built package, as services do. */
beforeAll(() => {
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-b', packageDir], { stdio: 'pipe' })
}, 240_000)

/** Starts a service; once it has said `up`, does what it is told; returns its exit code and log lines. */
async function run(script: string, act: (child: ReturnType<typeof spawn>) => void = () => {}, options = '{}') {
  const source = `import { runService, Teardown } from ${JSON.stringify(join(packageDir, 'dist', 'index.js'))}
    const say = (text) => process.stdout.write(JSON.stringify({ msg: text }) + '\\n')
    await runService('test', async (signal) => { ${script} }, ${options})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: Record<string, unknown>[] = []
  const reading = createInterface({ input: child.stdout })
  reading.on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>)
    if (lines.at(-1)?.['msg'] === 'up') act(child)
  })
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { code, signal, said: lines.map(({ msg }) => msg), lines }
}

const SERVER = `const { createServer } = await import('node:http')
  const server = createServer().listen(0, '127.0.0.1'); `

test.each(['SIGINT', 'SIGTERM'] as const)('%s finishes work in hand and ends with code 0', async (signal) => {
  const { code, said } = await run(
    `${SERVER} say('up')
    return { [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => setTimeout(resolve, 300)); say('work done'); server.close() } }`,
    (child) => child.kill(signal),
  )
  expect(code).toBe(0)
  expect(said).toEqual(['up', 'stopping', 'work done', 'stopped'])
})

test('a rejection that nobody handles is logged, stops the service in order and fails', async () => {
  const { code, said, lines } = await run(
    `${SERVER} say('up'); setTimeout(() => { void Promise.reject(new Error('lost')) }, 50)
    return { [Symbol.asyncDispose]: async () => { say('released'); server.close() } }`,
  )
  expect(code).toBe(1)
  expect(said).toEqual(['up', 'unhandled rejection', 'released', 'stopped'])
  expect(lines[1]).toMatchObject({ level: 'fatal', err: { message: 'lost' } })
})

test('an uncaught error does the same', async () => {
  const { code, said } = await run(
    `${SERVER} setTimeout(() => { throw new Error('bug') }, 50)
    return { [Symbol.asyncDispose]: async () => { server.close() } }`,
  )
  expect(code).toBe(1)
  expect(said).toEqual(['uncaught error', 'stopped'])
})

test('a start that fails is one log line and code 1', async () => {
  const { code, said } = await run(`throw new Error('no such file')`)
  expect(code).toBe(1)
  expect(said).toEqual(['the service failed'])
})

test('a signal during the start ends it, with code 0', async () => {
  const { code, said } = await run(
    `say('up'); const { setTimeout: sleep } = await import('node:timers/promises'); await sleep(1e6, undefined, { signal })`,
    (child) => child.kill('SIGTERM'),
  )
  expect(code).toBe(0)
  expect(said).toEqual(['up', 'stopping'])
})

test('a stop that hangs is ended by force within its limit, and a process that lingers after it too', async () => {
  const hanging = run(
    `${SERVER} say('up'); return { [Symbol.asyncDispose]: () => new Promise(() => {}) }`,
    (child) => child.kill('SIGTERM'),
    '{ stopTimeoutMs: 300 }',
  )
  const lingering = run(`${SERVER} say('up'); return { [Symbol.asyncDispose]: async () => {} }`, (child) =>
    child.kill('SIGTERM'),
  )
  expect(await hanging).toMatchObject({
    code: 1,
    said: ['up', 'stopping', 'the stop took too long; the process is ended'],
  })
  const { code, said } = await lingering
  expect(code).toBe(1)
  expect(said.slice(0, 3)).toEqual(['up', 'stopping', 'stopped'])
})
