import type { Msg } from '@nats-io/transport-node'
import { type Trace, traceOf } from './trace.ts'
import { headersOf } from './wire-headers.ts'

/** A message that came in live. Anybody who may publish its subject may have sent it: verify what it says. */
export interface Received {
  readonly subject: string
  readonly data: Uint8Array
  readonly trace?: Trace
  readonly reply?: string
}

/** With what the server or the sender wrote beside it. */
export interface Heard extends Received {
  /** The last value of a header, by its exact name. Not authenticated. */
  header(name: string): string | undefined
}

export function heardOf(message: Msg): Heard {
  const headers = headersOf(message)
  const trace = traceOf(headers)
  const { subject, data, reply } = message
  return {
    subject,
    data,
    ...(trace !== undefined && { trace }),
    ...(reply !== undefined && reply !== '' && { reply }),
    header: (name) => headers.last(name),
  }
}
