import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inputs, run } from './fuzz/engine.ts'
import { SCRATCH } from './fuzz/formats/files.ts'
import { FORMAT_NAMES, formatNamed } from './fuzz/formats/index.ts'
import { PROMISES } from './fuzz/judge.ts'

const exec = promisify(execFile)
const root = new URL('..', import.meta.url).pathname
let out: string
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'writ-fuzz-out-'))
})
afterAll(async () => {
  await rm(out, { recursive: true, force: true })
  await rm(SCRATCH, { recursive: true, force: true })
})

describe('every parser and verifier keeps its promises', () => {
  test.each(FORMAT_NAMES)('%s', { timeout: 60_000 }, async (name) => {
    const report = await run(await formatNamed(name), { runs: 200, seed: 2 })
    expect(report.finding).toBeUndefined()
    expect(report.runs).toBe(200)
  })
})

describe('the fuzzer finds a reader that breaks its promise', () => {
  /** Which broken reader breaks which promise; those that never come back are tried in a thread below. */
  const cases: readonly (readonly [string, string])[] = [
    ...PROMISES.map((promised) => [promised, promised] as const),
    ['changes-input', 'sound'],
  ]
  test.each(cases)('%s', { timeout: 60_000 }, async (name, promised) => {
    const { finding } = await run(await formatNamed(`broken:${name}`), { runs: 20_000, seed: 1 })
    expect(finding?.promised).toBe(promised)
  })

  test('a prototype that comes from the input is one, too', async () => {
    const { finding } = await run(await formatNamed('broken:prototype'), { runs: 20_000, seed: 1 })
    expect(finding?.promised).toBe('no-pollution')
  })

  test('and nothing where none is broken', async () => {
    expect(await run(await formatNamed('broken:none'), { runs: 5000, seed: 1 })).not.toHaveProperty('finding')
  })

  test('a reproducer is short, and breaks the promise again', async () => {
    const format = await formatNamed('broken:only-faults')
    const { finding } = await run(format, { runs: 20_000, seed: 1 })
    expect(finding?.input).toHaveLength(31)
    expect(() => format.read(finding?.input as Uint8Array)).toThrow(TypeError)
  })

  test('the same seed gives the same inputs', async () => {
    const given = async (seed: number) =>
      [...inputs(await formatNamed('plan'), seed, 60)].map((input) => Buffer.from(input).toString('hex'))
    expect(await given(7)).toEqual(await given(7))
    expect(await given(7)).not.toEqual(await given(8))
  })
})

describe('npm run fuzz', () => {
  const fuzz = (...args: string[]) =>
    exec(process.execPath, ['test/fuzz/dist/test/fuzz/main.js', '--out', out, ...args], { cwd: root }).then(
      ({ stdout }) => ({ stdout, code: 0 }),
      (error: { stdout: string; code: number }) => ({ stdout: error.stdout, code: error.code }),
    )
  beforeAll(async () => {
    await exec(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'test/fuzz'], { cwd: root })
  }, 120_000)

  test('says what was read and refused, a line a format', { timeout: 60_000 }, async () => {
    const { stdout, code } = await fuzz('--runs', '100', '--format', 'json,vkey')
    expect(stdout).toMatch(/^json +100 +\d+ +\d+ +[\d.]+ ms {2}malformed \d+$/m)
    expect(stdout).toContain('2 formats, 100 inputs each, seed 1: 0 findings')
    expect(code).toBe(0)
  })

  test('reads a kept input again', { timeout: 60_000 }, async () => {
    const found = await fuzz('--format', 'broken:sound', '--runs', '20000')
    expect(found.code).toBe(1)
    const again = await fuzz('--format', 'broken:sound', '--replay', join(out, 'broken-sound-sound.hex'))
    expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('A value is empty.') as string })
  })

  test.each([
    ['hang', 'in-time', '3000'],
    ['bomb', 'in-memory', '60000'],
  ])('ends with 1 and keeps the input where a reader never comes back: %s', { timeout: 120_000 }, async (...of) => {
    const [name, promised, hangMs] = of
    const { stdout, code } = await fuzz('--format', `broken:${name},vkey`, '--runs', '3000', '--hang-ms', hangMs)
    expect(stdout).toContain(`FINDING ${`broken:${name}`}, ${promised}`)
    expect(stdout).toMatch(/^vkey +3000 /m)
    expect(code).toBe(1)
    const files = await readdir(out)
    const [file = ''] = files.filter((found) => found.includes(name))
    expect(Buffer.from((await readFile(join(out, file), 'utf8')).trim(), 'hex').length).toBeGreaterThan(30)
  })
})
