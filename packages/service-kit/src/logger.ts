import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'
import type { LogLevel } from './read-env.ts'
import { redact, redactSecrets, redactText } from './redact.ts'
import { traceLogFields } from './trace-context.ts'

export type Logger = PinoLogger

export interface LoggerOptions {
  readonly service: string
  readonly instance?: string
  readonly level: LogLevel
  /** Absent: standard output. */
  readonly destination?: DestinationStream
}

/**
 * JSON lines for operators. Whatever is logged goes through `redact` first: signed messages, credentials, keys and personal data do not
 * reach a log, and no text can start a line of its own.
 */
export function createLogger({ service, instance, level, destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service, ...(instance !== undefined && { instance }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    mixin: traceLogFields,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: Record<string, unknown>) => redact(fields) as Record<string, unknown>,
    },
    serializers: { err: (error: unknown) => redact(error) },
    hooks: {
      logMethod(this: PinoLogger, args: unknown[], method: (...args: never[]) => void) {
        method.apply(this, args.map((arg) => (typeof arg === 'string' ? redactText(arg) : arg)) as never[])
      },
    },
  }
  const out = destination ?? pino.destination({ fd: 1, sync: true })
  // What a child logger is bound to does not pass the formatters, so every finished line is looked at once more.
  return pino(options as never, { write: (line: string) => out.write(redactSecrets(line)) })
}
