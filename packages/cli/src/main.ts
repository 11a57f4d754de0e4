import { runCli } from './program.ts'

const stop = new AbortController()
// A reader that has seen enough (`| head`) ends what streams, quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  stop.abort()
})

process.exitCode = await runCli(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  env: process.env,
  interrupted: () => {
    process.once('SIGINT', () => stop.abort())
    process.once('SIGTERM', () => stop.abort())
    return stop.signal
  },
})
