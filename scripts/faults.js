// `npm run test:faults -- [--seed N] [--intents N] [--history FILE]`: a run of intents under faults, judged from what was recorded.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    intents: { type: 'string', default: '500' },
    history: { type: 'string' },
  },
})
const numbers = [values.seed, values.intents]
if (!numbers.every((text) => /^\d{1,9}$/.test(text))) {
  process.stderr.write('Usage: npm run test:faults -- [--seed N] [--intents N] [--history FILE]\n')
  process.exit(2)
}
const [WRIT_FAULTS_SEED, WRIT_FAULTS_INTENTS] = numbers
const history = values.history === undefined ? {} : { WRIT_FAULTS_HISTORY: values.history }
const env = { ...process.env, WRIT_FAULTS_SEED, WRIT_FAULTS_INTENTS, ...history }
const args = ['run', '--project', 'system', 'test/faults.test.ts', '-t', 'every process is killed']
// Without npx between, which would turn the signal that ended the run into a code.
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const child = spawn(process.execPath, [vitest, ...args], { stdio: 'inherit', env })
for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.once(name, () => {
    process.stderr.write(`The run is told to end: ${name}.\n`)
    child.kill(name)
  })
const [code, signal] = await once(child, 'exit')
process.stderr.write(signal === null ? `The run ended with code ${code}.\n` : `The run was ended by ${signal}.\n`)
process.exitCode = code ?? 1
