import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { BuildOptions } from './build-bundle.ts'
import { unsafeNegations } from './negations.ts'
import { unheededResidency } from './residency.ts'
import { readSources } from './sources.ts'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** What is wrong with the sources, in words for who edits them. */
export interface PolicyFinding {
  readonly check: 'format' | 'check' | 'negation' | 'residency' | 'test' | 'coverage'
  readonly message: string
}

export interface PolicyCheck {
  readonly findings: readonly PolicyFinding[]
  /** Tests that ran. */
  readonly tests: number
  /** Of the rules, in per cent; absent where a test fails. */
  readonly coverage?: number
}

const CAPABILITIES = ['--capabilities', 'capabilities.json']

/**
 * Checks a policies folder with OPA: that it compiles strictly with no builtin that the Wasm lacks, that it negates
 * nothing but names, that its tests pass, and that they cover every rule; with `format` also that it is formatted. What does not compile is not tested.
 */
export async function checkPolicies({
  directory,
  opa,
  format = false,
}: BuildOptions & { readonly format?: boolean }): Promise<PolicyCheck> {
  const call = caller(opa, directory)
  const unformatted = format ? await call('fmt', '--list', 'rego') : undefined
  const formatting = (unformatted?.stdout ?? '')
    .split('\n')
    .filter((path) => path !== '')
    .map((path): PolicyFinding => ({ check: 'format', message: `${path} is not formatted.` }))
  const checked = await call('check', '--strict', ...CAPABILITIES, 'rego', 'data')
  if (!checked.ok) {
    const wrong: PolicyFinding = { check: 'check', message: checked.stderr.trim() || checked.stdout.trim() }
    return { findings: [...formatting, wrong], tests: 0 }
  }
  const files = await readSources(directory)
  const residency = unheededResidency(files).map(
    (path): PolicyFinding => ({
      check: 'residency',
      message: `${path} is annotated with residency or data_class, and no rule of it denies unless residency.permitted(rego.metadata.chain()).`,
    }),
  )
  const negations = unsafeNegations(files).map(
    (where): PolicyFinding => ({
      check: 'negation',
      message: `${where}: negate a bare name, or a missing value drops the rule.`,
    }),
  )
  const { findings, tests } = await runTests(call)
  const sources = [...formatting, ...negations, ...residency]
  if (findings.length > 0) return { findings: [...sources, ...findings], tests }
  const covered = await coverageOf(call)
  return { findings: [...sources, ...covered.findings], tests, coverage: covered.coverage }
}

/** Rewrites what is not formatted. */
export async function formatPolicies({ directory, opa }: BuildOptions): Promise<void> {
  await run(opa, ['fmt', '--write', 'rego'], { cwd: directory })
}

interface Called {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

type Call = (...args: string[]) => Promise<Called>

/** A program that cannot be started at all throws; one that says no is an answer. */
function caller(opa: string, cwd: string): Call {
  return async (...args) => {
    try {
      return { ok: true, ...(await run(opa, args, { cwd, maxBuffer: OUTPUT_BYTES_MAX })) }
    } catch (error) {
      const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown }
      if (typeof code !== 'number') throw error
      return { ok: false, stdout: stdout ?? '', stderr: stderr ?? '' }
    }
  }
}

interface TestResult {
  readonly location: { readonly file: string; readonly row: number }
  readonly name: string
  readonly fail?: boolean
  readonly error?: unknown
}

async function runTests(call: Call): Promise<Pick<PolicyCheck, 'findings' | 'tests'>> {
  const { ok, stdout, stderr } = await call('test', '--format', 'json', ...CAPABILITIES, 'rego', 'data')
  const results = (ok || stdout.startsWith('[') ? JSON.parse(stdout) : null) as readonly TestResult[] | null
  if (results === null && !ok)
    return { findings: [{ check: 'test', message: stderr.trim() || stdout.trim() }], tests: 0 }
  const failed = (results ?? []).filter(({ fail, error }) => fail === true || error !== undefined)
  const findings = failed.toSorted(byPlace).map(
    ({ location, name }): PolicyFinding => ({
      check: 'test',
      message: `${location.file}:${location.row} ${name} fails.`,
    }),
  )
  return { findings, tests: results?.length ?? 0 }
}

function byPlace(a: TestResult, b: TestResult): number {
  const order = a.location.file.localeCompare(b.location.file)
  return order === 0 ? a.location.row - b.location.row : order
}

interface Coverage {
  readonly coverage: number
  readonly files: Readonly<Record<string, { readonly not_covered?: readonly { readonly start: { row: number } }[] }>>
}

async function coverageOf(
  call: Call,
): Promise<{ readonly findings: readonly PolicyFinding[]; readonly coverage: number }> {
  const { stdout } = await call('test', '--coverage', '--format', 'json', ...CAPABILITIES, 'rego', 'data')
  const { coverage, files } = JSON.parse(stdout) as Coverage
  const findings = Object.entries(files).flatMap(([path, { not_covered = [] }]) =>
    not_covered.map(
      ({ start }): PolicyFinding => ({ check: 'coverage', message: `${path}:${start.row} is tried by no test.` }),
    ),
  )
  return { findings, coverage }
}
