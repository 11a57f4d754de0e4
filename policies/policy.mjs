/**
 * `npm run policy`: checks, formats, tests and builds the policies beside it, and shows what they decide on the golden inputs,
 * before (the bundle that is committed) and after. Nothing is written unless everything passes, but for:
 *
 *   --write    formats the sources first
 *   --record   writes what is decided now into the golden decisions: read the table before you commit them
 *   --dir DIR  another policies folder
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { argv, env, stdout } from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { formatPolicies, reviewPolicies } from '../packages/policy/dist/build/index.js'
import { Evaluator, openBundle } from '../packages/policy/dist/index.js'
import { resolveTool } from '../packages/tools/dist/index.js'

const BUNDLE = 'bundle/bundle.tar.gz'
const say = (line) => stdout.write(`${line}\n`)
const { values } = parseArgs({
  args: argv.slice(2),
  options: { write: { type: 'boolean' }, record: { type: 'boolean' }, dir: { type: 'string' } },
})
const directory = resolve(values.dir ?? fileURLToPath(new URL('.', import.meta.url)))
const { path: opa } = await resolveTool('opa', { env, log: say })

if (values.write) await formatPolicies({ directory, opa })
if (values.record) await beginRecording()
const before = await committed()
let review = await reviewPolicies({ directory, opa, format: true, ...(before && { before: Evaluator.load(before) }) })
if (values.record) review = await record(review)
const { findings, tests, coverage, built } = review

for (const { check, message } of findings) say(`${check.padEnd(8)}  ${message}`)
say(`tests     ${tests} ran${coverage === undefined ? '' : `, ${coverage} % of the rules covered`}`)
if (built) {
  say(
    `golden    ${built.table.length} decisions${before ? `; before is bundle ${before.bundleSha256.slice(0, 8)}…` : ''}`,
  )
  for (const line of tableLines(built.table)) say(line)
}
if (findings.length === 0) {
  const { bundleSha256, revision } = built.bundle
  await mkdir(join(directory, 'bundle'), { recursive: true })
  await writeFile(join(directory, BUNDLE), built.bytes)
  say(`built     ${BUNDLE}: ${built.bytes.byteLength} bytes, sha256 ${bundleSha256}, revision ${revision}`)
} else {
  say(`not built: ${findings.length === 1 ? 'one thing is' : `${findings.length} things are`} wrong, named above`)
  process.exitCode = 1
}

/** What git has, so that the table shows the whole change however often this runs; else what lies there. */
async function committed() {
  const asked = ['-C', directory, 'show', `HEAD:./${BUNDLE}`]
  const found = await promisify(execFile)('git', asked, { encoding: 'buffer', maxBuffer: 4 * 1024 * 1024 })
    .then(({ stdout: bytes }) => bytes)
    .catch(() => readFile(join(directory, BUNDLE)))
    .catch(() => undefined)
  return found && openBundle(found)
}

async function goldenFiles() {
  const names = (await readdir(join(directory, 'golden'))).filter((name) => name.endsWith('.json'))
  const read = async (name) => ({ name, golden: JSON.parse(await readFile(join(directory, 'golden', name), 'utf8')) })
  return Promise.all(names.map(read))
}

async function writeGolden(name, input, expect) {
  await writeFile(join(directory, 'golden', name), `${JSON.stringify({ input, expect }, null, 2)}\n`)
}

/** A file with an input alone is a question. */
async function beginRecording() {
  for (const { name, golden } of await goldenFiles())
    if (golden.expect === undefined) await writeGolden(name, golden.input, {})
}

async function record(review) {
  const failed = new Map(
    (review.built?.table ?? []).filter((row) => row.failed.length > 0).map((row) => [row.name, row]),
  )
  for (const { name, golden } of await goldenFiles()) {
    const row = failed.get(name.replace(/\.json$/, ''))
    if (row?.after) await writeGolden(name, golden.input, row.after)
  }
  return reviewPolicies({ directory, opa, format: true, ...(before && { before: Evaluator.load(before) }) })
}

function tableLines(table) {
  const width = Math.max(0, ...table.map(({ name }) => name.length))
  const head = `  ${''.padEnd(width)}  ${'before'.padEnd(17)}  after`
  const rows = table.map(({ name, before: then, after, changed, failed }) => {
    const outcomes = `${(then?.outcome ?? 'none').padEnd(17)}  ${(after?.outcome ?? 'fails').padEnd(17)}`
    const marks = [
      ...(changed.length === 0 ? [] : [changed.includes('outcome') ? 'CHANGED' : `changed: ${changed.join(', ')}`]),
      ...(failed.length > 0 ? ['NOT AS EXPECTED'] : []),
    ]
    return `  ${name.padEnd(width)}  ${outcomes}  ${marks.join('; ')}`.trimEnd()
  })
  return [head, ...rows]
}
