import { once } from 'node:events'
import { runWitness } from './run-witness.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())

process.exitCode = await runWitness(process.argv.slice(2), {
  out: (line) => void process.stdout.write(line),
  err: (line) => void process.stderr.write(line),
  stopped: () => (stop.signal.aborted ? Promise.resolve() : once(stop.signal, 'abort')),
})
