import { once } from 'node:events'
import { isFault } from '@writ/contracts'
import { createLogger, type Logger } from './logger.ts'

export interface RunOptions {
  /** Absent: 20 s. A stop that takes longer ends the process by force, with code 1. */
  readonly stopTimeoutMs?: number
}

/** How long the event loop may live on after everything was released. */
const LINGER_MS = 2000

/**
 * The life of a service process: starts it, waits for SIGINT or SIGTERM, stops it, and lets the process end by itself. A start that
 * fails, a rejection that nobody handles and an uncaught error are logged, stop the service in order and make the exit code 1.
 * `start` watches `signal` while it waits for what is not there yet.
 */
export async function runService(
  name: string,
  start: (signal: AbortSignal) => Promise<AsyncDisposable>,
  options: RunOptions = {},
): Promise<void> {
  const log = createLogger({ service: name, level: 'info' })
  const stop = new AbortController()
  stop.signal.addEventListener('abort', () => {
    endByForce(log, options.stopTimeoutMs ?? 20_000, 'the stop took too long; the process is ended')
  })
  const fail = (what: string) => (error: unknown) => {
    log.fatal({ err: error }, what)
    process.exitCode = 1
    stop.abort()
  }
  process.on('uncaughtException', fail('uncaught error')).on('unhandledRejection', fail('unhandled rejection'))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'stopping')
      stop.abort()
    })
  }
  try {
    const service = await start(stop.signal)
    if (!stop.signal.aborted) await once(stop.signal, 'abort')
    await service[Symbol.asyncDispose]()
    log.info('stopped')
  } catch (error) {
    const cutShort = stop.signal.aborted && error instanceof Error && error.name === 'AbortError'
    if (!cutShort) reportFailure(log, error)
  }
  endByForce(log, LINGER_MS, 'something keeps the process alive after its stop; it is ended')
}

function reportFailure(log: Logger, error: unknown): void {
  log.fatal({ err: error }, isFault(error) ? error.message : 'the service failed')
  process.exitCode = 1
}

/** Only a process that would hang is ended by force: the timer does not keep it alive. */
function endByForce(log: Logger, afterMs: number, why: string): void {
  setTimeout(() => {
    log.fatal(why)
    process.exit(1)
  }, afterMs).unref()
}
