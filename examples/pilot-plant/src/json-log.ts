import type { Log } from '@writ/gateway-sdk'

/** One line of JSON for each event, on standard output. */
export function jsonLog(write: (line: string) => void, gateway: string): Log {
  const line = (level: string) => (fields: object, msg: string) => {
    const { err, ...others } = fields as { readonly err?: unknown }
    const error = err instanceof Error ? { err: describe(err) } : {}
    write(`${JSON.stringify({ level, time: new Date().toISOString(), gateway, ...others, ...error, msg })}\n`)
  }
  return { info: line('info'), warn: line('warn'), error: line('error') }
}

function describe(error: Error): string {
  const { cause } = error
  return cause instanceof Error ? `${error.message} (${describe(cause)})` : error.message
}
