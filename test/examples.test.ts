import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { preparePlant, type Stack, startStack } from '@writ/local'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REGION, root } from './support/local-stack.ts'

// README's own command lines, in a folder that looks like the repository with its stack running: what a reader types is what runs here.

const LINES_MAX = 20
let folder: string
let stack: Stack
let readme: string
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-examples-'))
  await cp(join(root, 'policies'), join(folder, 'policies'), { recursive: true })
  for (const name of ['examples', 'node_modules']) await symlink(join(root, name), join(folder, name))
  readme = await readFile(join(root, 'README.md'), 'utf8')
  stack = await startStack({
    home: join(folder, '.writ'),
    root,
    env: process.env,
    region: REGION,
    log: () => undefined,
  })
  await preparePlant(stack, root, () => undefined)
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await stack?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** The code blocks of one language in a section of README. */
function blocks(title: string, language: string): readonly string[] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? ''
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, code]) => code ?? '',
  )
}

const commands = (title: string): readonly string[] =>
  blocks(title, 'sh')
    .join('')
    .trim()
    .split('\n')
    .map((line) => line.replace(/ {2,}#.*$/, ''))

/** Runs one line to its end. Rejects with what it printed when it fails. */
function run(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', line], { cwd: folder }, (error, out, err) => {
      if (error === null) resolve(out)
      else reject(new Error(`${line}\n${out}${err}`, { cause: error }))
    })
  })
}

/** Starts one line and leaves it running once it has printed `said`. */
async function start(line: string, said: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', `exec ${line}`], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  const printed: string[] = []
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => void printed.push(chunk))
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    printed.push(String(chunk))
    if (printed.join('').includes(said)) return child
  }
  throw new Error(`${line} ended: ${printed.join('')}`)
}

/** Runs one line that has to fail, and gives what it printed. */
async function fail(line: string): Promise<string> {
  const ran = await run(line).catch((error: Error) => error)
  if (ran instanceof Error) return ran.message
  throw new Error(`${line} should have failed: ${ran}`)
}

test('README: revoke an agent and see it stop', async () => {
  const [create, ask, suspend, askAgain, resume, ...more] = commands('In a second terminal')
  expect(more).toEqual([])
  await run(create ?? '')
  expect(await run(ask ?? '')).toContain('succeeded')
  expect(await run(suspend ?? '')).toContain('2 of 2 gateways')
  expect(await fail(askAgain ?? '')).toContain('revoked')
  await run(resume ?? '')
  expect(await run(ask ?? '')).toContain('succeeded')
})

test('README: edit a policy and see the decision change', async () => {
  const [copy, params, before, edit, publish, after, rollback, ...more] = commands(
    'Edit a policy and see the decision change',
  )
  expect(more).toEqual([])
  for (const line of [copy, params]) await run(line ?? '')
  expect(await run(before ?? '')).toContain('allow')
  await run(edit ?? '')
  await run(publish ?? '')
  expect(await fail(after ?? '')).toContain('params_out_of_bounds')
  await run(rollback ?? '')
  expect(await run(before ?? '')).toContain('allow')
})

test('README: read the evidence', async () => {
  const [verify, trace, report, copy, check, tamper, checkAgain, ...more] = commands('Read the evidence')
  expect(more).toEqual([])
  await run(verify ?? '')
  expect(await run(trace ?? '')).toContain('telemetry-read')
  await run(report ?? '')
  expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('<!doctype html>')
  await run(copy ?? '')
  expect(await run(check ?? '')).toContain('VERIFIED')
  await run(tamper ?? '')
  expect(await fail(checkAgain ?? '')).toContain('entry_altered')
})

describe('README: write an agent in 20 lines', () => {
  test('shows the file itself, no longer than that', async () => {
    const file = await readFile(join(root, 'examples/agent.js'), 'utf8')
    expect(blocks('Write an agent in 20 lines', 'js')).toEqual([file])
    expect(file.trimEnd().split('\n').length).toBeLessThanOrEqual(LINES_MAX)
  })

  test('its commands enrol an agent whose intent is carried out', async () => {
    const [create, ask, ...more] = commands('Write an agent in 20 lines')
    expect(more).toEqual([])
    await run(create ?? '')
    const out = await run(ask ?? '')
    expect(out).toMatch(/^succeeded \[\]$/m)
    expect(out).toMatch(/^press-07 succeeded \{/m)
    expect(out).toContain('oil_temperature_c')
  })

  test('a device beyond its ceiling is refused with the reason', async () => {
    const out = await run('node examples/agent.js agents/line-3 conveyor-plc-02')
    expect(out).toMatch(/^denied \[/m)
    expect(out).toContain('scope_exceeded')
  })
})

describe('README: write a gateway in 20 lines', () => {
  test('shows the file itself, no longer than that', async () => {
    const file = await readFile(join(root, 'examples/gateway.js'), 'utf8')
    expect(blocks('Write a gateway in 20 lines', 'js')).toEqual([file])
    expect(file.trimEnd().split('\n').length).toBeLessThanOrEqual(LINES_MAX)
  })

  test('its commands enrol a gateway that carries out what is asked, and stops when told to', async () => {
    let gateway: ChildProcess | undefined
    const said: string[] = []
    for (const line of commands('Write a gateway in 20 lines')) {
      if (line.startsWith('node examples/gateway.js')) gateway = await start(line, 'gw-bakery is ready')
      else said.push(await run(line))
    }
    expect(said.at(-2)).toMatch(/^oven-1 succeeded \{ celsius: 182, .*restarts: 0 \}$/m)
    expect(said.at(-1)).toContain('succeeded')
    expect(await run('node examples/agent.js agents/baker oven-1')).toContain('restarts: 1')
    if (gateway === undefined) throw new Error('README starts the gateway')
    const ended = once(gateway, 'exit')
    gateway.kill('SIGINT')
    expect(await ended).toEqual([0, null])
  })
})

test('a folder that is no enrolment package is said in one sentence', async () => {
  for (const name of ['agent', 'gateway']) {
    const line = `node examples/${name}.js nowhere`
    const [typed, said, ...more] = (await fail(line)).trimEnd().split('\n')
    expect([typed, said, more]).toEqual([
      line,
      expect.stringMatching(/\/nowhere\/enrolment\.json cannot be read\.$/),
      [],
    ])
  }
})

test('the SDKs’ own READMEs show the same files', async () => {
  for (const name of ['agent', 'gateway']) {
    const file = await readFile(join(root, `examples/${name}.js`), 'utf8')
    const text = await readFile(join(root, `packages/${name}-sdk/README.md`), 'utf8')
    expect([name, text.includes(`\`\`\`js\n${file}\`\`\``)]).toEqual([name, true])
  }
})
