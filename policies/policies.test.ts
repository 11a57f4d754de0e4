import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildBundle, capabilitiesOf } from '@writ/policy/build'
import { findTool, resolveTool } from '@writ/tools'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const { env } = process
const directory = fileURLToPath(new URL('.', import.meta.url)).slice(0, -1)
interface Coverage {
  readonly coverage: number
  readonly files: Readonly<Record<string, { readonly not_covered?: unknown }>>
}

const capabilities = ['--capabilities', 'capabilities.json']

/** In CI OPA is got if it is not there; elsewhere these tests run where it is at hand, since using the bundle needs none. */
async function atHand(): Promise<boolean> {
  return env['CI'] === 'true' || (await findTool('opa', { env, log: () => {} })) !== undefined
}

describe.skipIf(!(await atHand()))('the policies, with OPA', () => {
  let path: string
  let scratch: string
  const opa = async (...args: string[]) =>
    (await run(path, args, { cwd: directory, maxBuffer: 64 * 1024 * 1024 })).stdout

  beforeAll(async () => {
    path = (await resolveTool('opa', { env, log: () => {} })).path
    scratch = await mkdtemp(join(tmpdir(), 'writ-policies-'))
  })
  afterAll(async () => {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
  })

  it('are formatted', async () => {
    expect(await opa('fmt', '--list', 'rego')).toBe('')
  })

  it('pass the strict check with no builtin that the Wasm lacks', async () => {
    await opa('check', '--strict', ...capabilities, 'rego', 'data')
  })

  it('refuse a builtin that the Wasm lacks, or that is no function of its arguments', async () => {
    for (const call of ['time.now_ns()', 'rand.intn("x", 10)', 'sprintf("%d", [1])', 'http.send({})']) {
      await writeFile(join(scratch, 'call.rego'), `package writ.call\n\nx := ${call}\n`)
      await expect(opa('check', '--strict', ...capabilities, join(scratch, 'call.rego'))).rejects.toThrow()
    }
  })

  it('pass their own tests, which cover every rule', async () => {
    const output = await opa('test', '--coverage', '--format', 'json', ...capabilities, 'rego', 'data')
    const { coverage, files } = JSON.parse(output) as Coverage
    const uncovered = Object.entries(files).filter(([, { not_covered }]) => not_covered !== undefined)
    expect(uncovered).toEqual([])
    expect(coverage).toBe(100)
  })

  it('build to the committed bundle, byte for byte', async () => {
    const committed = await readFile(join(directory, 'bundle/bundle.tar.gz'))
    expect(Buffer.compare(committed, await buildBundle({ directory, opa: path }))).toBe(0)
  })

  it('are built with the capabilities that this OPA and this opa-wasm give', async () => {
    const committed = JSON.parse(await readFile(join(directory, 'capabilities.json'), 'utf8'))
    expect(committed).toEqual(JSON.parse(await capabilitiesOf(path)))
  })

  it('decide in OPA itself as recorded, and so as in Wasm', async () => {
    const names = await readdir(join(directory, 'golden'))
    const inputs = join(scratch, 'inputs')
    await mkdir(inputs)
    const expected = new Map<string, unknown>()
    for (const name of names) {
      const golden = JSON.parse(await readFile(join(directory, 'golden', name), 'utf8'))
      expected.set(join(inputs, name), golden.expect)
      await writeFile(join(inputs, name), JSON.stringify(golden.input))
    }
    const plain = join(scratch, 'plain.tar.gz')
    await opa('build', ...capabilities, '--ignore', '*_test.rego', '-o', plain, 'rego', 'data')
    const { result } = JSON.parse(await opa('exec', '--decision', 'writ/decision', '--bundle', plain, inputs))
    const decided = new Map(result.map((one: { path: string; result: unknown }) => [one.path, one.result]))
    expect(decided).toEqual(expected)
  })
})
