import { type Msg, type MsgHdrs, headers as newHeaders } from '@nats-io/transport-node'

/**
 * The header block of a message, read without ever failing. The client library's own parser throws on a header name or
 * value that it would not send itself; a stranger could store one such message and stop every reader of that stream.
 */
export interface WireHeaders {
  /** The server's status (`404`, `503`, …); undefined: a message that somebody sent. */
  readonly status: number | undefined
  readonly description: string
  /** The last value under exactly this name: the server appends its own after the sender's. */
  last(name: string): string | undefined
  all(name: string): readonly string[]
}

const STATUS = /^NATS\/1\.0\s+(\d{3})\s*(.*)$/
const NONE: WireHeaders = { status: undefined, description: '', last: () => undefined, all: () => [] }

/** What the library keeps of a message: the raw bytes, of which the first `hdr` are headers (-1: none). */
interface RawMessage {
  readonly _rdata?: Uint8Array
  readonly _msg?: { readonly hdr: number }
}

export function headersOf(message: Msg): WireHeaders {
  const { _rdata: bytes, _msg: raw } = message as unknown as RawMessage
  if (bytes === undefined || raw === undefined || raw.hdr <= 0) return NONE
  return parseHeaders(Buffer.from(bytes.buffer, bytes.byteOffset, raw.hdr).toString('utf8'))
}

/** Field names are compared exactly, as the server does. */
export function parseHeaders(block: string): WireHeaders {
  const [first = '', ...lines] = block.split('\r\n')
  const [, status, description = ''] = STATUS.exec(first) ?? []
  const all = (name: string): readonly string[] =>
    lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim())
  // A message that a stream has stored carries the sequence that the server appended, whatever its sender wrote in the first line.
  const own = status === undefined || all('Nats-Sequence').length > 0
  return { status: own ? undefined : Number(status), description, last: (name) => all(name).at(-1), all }
}

/** @throws on a name or value that is not a header's: these are ours, never input. */
export function toHeaders(fields: Readonly<Record<string, string>>): MsgHdrs {
  const made = newHeaders()
  for (const [name, value] of Object.entries(fields)) made.set(name, value)
  return made
}
