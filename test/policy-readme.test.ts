import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Evaluator, openBundle, type PolicyDecision, type PolicyInput } from '@writ/policy'
import { findTool } from '@writ/tools'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from './support/local-stack.ts'

const run = promisify(execFile)
const opaHere =
  process.env['CI'] === 'true' ||
  (await findTool('opa', { env: process.env, log: () => undefined }).catch(() => undefined)) !== undefined

interface Golden {
  input: PolicyInput
  expect?: PolicyDecision
}

describe.skipIf(!opaHere)('policies/README.md (skipped where OPA is not at hand; never in CI)', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'writ-policies-'))
    for (const part of ['rego', 'data', 'golden', 'bundle', 'capabilities.json'])
      await cp(join(root, 'policies', part), join(dir, part), { recursive: true })
  })
  afterAll(() => rm(dir, { recursive: true, force: true }))

  /** As `npm run policy -- …` does it. */
  async function policy(...args: string[]): Promise<{ code: number; out: string }> {
    const script = join(root, 'policies/policy.mjs')
    try {
      return { code: 0, out: (await run(process.execPath, [script, '--dir', dir, ...args])).stdout }
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string }
      return { code, out: stdout }
    }
  }
  const evaluator = async () => Evaluator.load(openBundle(await readFile(join(dir, 'bundle/bundle.tar.gz'))))
  const golden = async (name: string) => JSON.parse(await readFile(join(dir, 'golden', name), 'utf8')) as Golden

  test('its new action is two files that pass as they stand there, and nothing else has to change', async () => {
    const readme = await readFile(join(root, 'policies/README.md'), 'utf8')
    const files = [...readme.matchAll(/^`(rego\/\S+)`\n\n```rego\n([\s\S]*?)```$/gm)]
    expect(files.map(([, path]) => path)).toEqual(['rego/actions/valve-open.rego', 'rego/actions/valve-open_test.rego'])
    for (const [, path = '', text = ''] of files) await writeFile(join(dir, path), text)
    const { code, out } = await policy()
    expect(out).toContain(readme.match(/says `([^`]*covered)`/)?.[1])
    expect(out).not.toContain('CHANGED')
    expect(code).toBe(0)
  })

  test('a golden input becomes a golden decision, and is shown as new', async () => {
    const { input } = await golden('restart-allowed.json')
    const intent = { ...input.intent, action: 'valve-open' }
    const agent = { ...input.agent, actions: ['valve-open'] }
    const targets = input.targets.map((target) => {
      const report = { state: { pressure_kpa: 120 }, address: '10.20.0.7', observed_at: input.now }
      return { ...target, actions: ['valve-open'], report }
    })
    await writeFile(
      join(dir, 'golden/valve-open.json'),
      JSON.stringify({ input: { ...input, intent, agent, targets } }),
    )
    expect((await policy()).code).toBe(1)
    const { code, out } = await policy('--record')
    expect(code).toBe(0)
    expect(out).toMatch(/valve-open\s+\S+\s+needs_approval/)
    const recorded = await golden('valve-open.json')
    expect(recorded.expect).toMatchObject({ outcome: 'needs_approval', obligations: { ttl_s: 60 } })
    expect((await evaluator()).evaluate(recorded.input)).toEqual(recorded.expect)
  })

  test('its change of a value changes the decision that the table then shows', async () => {
    const path = join(dir, 'golden/config-change-allowed.json')
    const { input } = await golden('config-change-allowed.json')
    const asked = { ...input, intent: { ...input.intent, params: { pressure_kpa: 800 } } }
    const decided = (await evaluator()).evaluate(asked)
    expect(decided.outcome).toBe('allow')
    await writeFile(path, JSON.stringify({ input: asked, expect: decided }))
    expect((await policy()).code).toBe(0)

    const table = join(dir, 'data/config.json')
    const text = await readFile(table, 'utf8')
    await writeFile(table, text.replace('"max": 900', '"max": 700'))
    const before = await readFile(join(dir, 'bundle/bundle.tar.gz'))
    const { code, out } = await policy()
    expect(code).toBe(1)
    expect(out).toMatch(/config-change-allowed\s+allow\s+deny\s+CHANGED; NOT AS EXPECTED/)
    expect(await readFile(join(dir, 'bundle/bundle.tar.gz'))).toEqual(before)
    expect((await policy('--record')).code).toBe(0)
    expect((await evaluator()).evaluate(asked).outcome).toBe('deny')
  })

  test('a rule that no test tries, a builtin that the Wasm lacks, a negation that hides a missing value, and bad formatting are each named', async () => {
    const rule = join(dir, 'rego/actions/valve-open.rego')
    const good = await readFile(rule, 'utf8')
    const add = async (text: string) => {
      await writeFile(rule, `${good}\n${text}\n`)
      return await policy()
    }
    const wrong = await add(
      [
        'pressure_low if state.value("valve") == "vented"',
        'spare   :=   1',
        'open_pipe if not input.target.sealed == true',
      ].join('\n\n'),
    )
    expect(wrong.code).toBe(1)
    expect(wrong.out).toMatch(/coverage +rego\/actions\/valve-open\.rego:\d+ is tried by no test/)
    expect(wrong.out).toContain('rego/actions/valve-open.rego is not formatted')
    expect(wrong.out).toContain('negate a bare name')
    const builtin = await add('now := time.now_ns()')
    expect(builtin).toMatchObject({ code: 1, out: expect.stringContaining('undefined function time.now_ns') as string })
    await writeFile(rule, good.replace('allow := true', 'allow   :=   true'))
    expect((await policy('--write')).code).toBe(0)
    expect(await readFile(rule, 'utf8')).toBe(good)
  })
})
