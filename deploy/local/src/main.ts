import { fileURLToPath } from 'node:url'
import { runLocal } from './run-local.ts'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort())

process.exitCode = await runLocal({
  root: fileURLToPath(new URL('../../..', import.meta.url)),
  args: process.argv.slice(2),
  env: process.env,
  write: (text) => void process.stdout.write(text),
  signal: stop.signal,
})
