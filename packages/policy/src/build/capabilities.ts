import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
// Its package exports only the library itself, so the files beside it are found by path.
const opaWasm = dirname(dirname(require.resolve('@open-policy-agent/opa-wasm')))
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

interface Capabilities {
  readonly builtins: readonly { readonly name: string }[]
  readonly features?: readonly string[]
  readonly wasm_abi_versions?: unknown
}

/** Not a function of its arguments. */
const REFUSED = new Set(['rand.intn'])
/** Replaced by the compiler with the annotations of the calling rule, or of it and its package; nothing is called when it runs. */
const COMPILED_AWAY = ['rego.metadata.chain', 'rego.metadata.rule']

/**
 * What a policy may call: the list that opa-wasm ships, with the feature that Rego v1 needs (its own file names none), and
 * without what it supplies in JavaScript with JavaScript's semantics. Returns the text of `capabilities.json`.
 */
export async function capabilitiesOf(opa: string): Promise<string> {
  const shipped = await readJson(join(opaWasm, 'capabilities.json'))
  const { stdout } = await run(opa, ['capabilities', '--current'], { maxBuffer: OUTPUT_BYTES_MAX })
  const current = JSON.parse(stdout) as Capabilities
  const inJavaScript = new Set(Object.keys(require(join(opaWasm, 'src/builtins/index.js')) as object))
  const names = shipped.builtins.map(({ name }) => name).filter((name) => !inJavaScript.has(name) && !REFUSED.has(name))
  const wanted = new Set([...names, ...COMPILED_AWAY])
  const builtins = current.builtins.filter(({ name }) => wanted.has(name))
  if (builtins.length !== wanted.size) throw new Error('This OPA lacks a builtin that opa-wasm has.')
  const rest = { features: ['rego_v1'], wasm_abi_versions: shipped.wasm_abi_versions }
  return `${JSON.stringify({ builtins, ...rest }, null, 2)}\n`
}

async function readJson(path: string): Promise<Capabilities> {
  return JSON.parse(await readFile(path, 'utf8')) as Capabilities
}
