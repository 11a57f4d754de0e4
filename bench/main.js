// `npm run bench`: how fast intents go through the whole plane on this machine, what they cost, and how far that is from the least they
// could cost. Needs the built packages. docs/performance.md says how to read it.

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compare } from './lib/compare.js'
import { measure } from './lib/measure.js'
import { measureMemory } from './lib/memory.js'
import { comparisonText, memoryText, reportText } from './lib/report.js'

const USAGE = `npm run bench -- [options]

  --quick             a short run: one replica, shorter loads, 10 s idle instead of a minute
  --replicas 1,2      how many of each service; 1,2 when absent
  --rate 100          intents a second at the steady rate
  --seconds 20        how long each load lasts
  --compare REF       measures another commit in turn with this tree, and prints the change
  --rounds 3          of --compare
  --memory            memory of every process over a long run, with --intents 1000000
  --json              the figures as JSON on standard output
`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    replicas: { type: 'string' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string' },
    compare: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    memory: { type: 'boolean', default: false },
    intents: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const log = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`)
const root = fileURLToPath(new URL('..', import.meta.url))
const { quick } = values
const options = {
  root,
  log,
  quick,
  rate: Number(values.rate),
  seconds: Number(values.seconds ?? (quick ? 6 : 20)),
  replicas: (values.replicas ?? (quick ? '1' : '1,2')).split(',').map(Number),
}

async function run() {
  if (values.compare !== undefined) {
    const found = await compare({ ...options, ref: values.compare, rounds: Number(values.rounds) })
    return { json: found, text: comparisonText(found) }
  }
  if (values.memory) {
    const found = await measureMemory({ ...options, intents: Number(values.intents) })
    return { json: found, text: memoryText(found) }
  }
  const found = await measure(options)
  return { json: found, text: reportText(found) }
}

if (values.help) process.stdout.write(USAGE)
else {
  const { json, text } = await run()
  process.stdout.write(values.json ? `${JSON.stringify(json, null, 2)}\n` : text)
}
