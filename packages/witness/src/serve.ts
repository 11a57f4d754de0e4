import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isFault } from '@writ/contracts'
import type { Answer, Witness } from './witness.ts'

export interface Listening extends AsyncDisposable {
  /** The submission prefix, which is the monitoring prefix too: `http://<host>:<port>`. */
  readonly url: string
}

export interface ServeOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Told of every request: a line for the operator, without a body's text. */
  readonly said?: (line: string) => void
}

/** A checkpoint with 63 hashes and 64 signatures is far below it. */
const BODY_BYTES_MAX = 131_072
const REQUEST_TIMEOUT_MS = 10_000
const STATUS = {
  cosigned: 200,
  malformed: 400,
  not_signed: 403,
  unknown_log: 404,
  conflict: 409,
  inconsistent: 422,
} as const

/**
 * Serves `POST /add-checkpoint` and, for monitors, `GET /<hex SHA-256 of the origin>/checkpoint` (C2SP tlog-witness). Plain HTTP: what is said is signed;
 * where it must not be seen, a reverse proxy adds TLS.
 */
export async function serveWitness(witness: Witness, { host, port, said }: ServeOptions): Promise<Listening> {
  const server = createServer((request, response) => {
    handle(witness, request).then(
      (reply) => send(response, reply, `${request.method} ${pathOf(request)}`, said),
      (error: unknown) => send(response, failure(error), `${request.method} ${pathOf(request)}`, said),
    )
  })
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.headersTimeout = REQUEST_TIMEOUT_MS
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  const { address, port: bound, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    [Symbol.asyncDispose]: () => closed(server),
  }
}

interface Reply {
  readonly status: number
  readonly body: string
  readonly type?: string
}

async function handle(witness: Witness, request: IncomingMessage): Promise<Reply> {
  const path = pathOf(request)
  if (path === '/add-checkpoint') {
    if (request.method !== 'POST') return { status: 405, body: 'Use POST.\n' }
    const body = await bodyOf(request)
    return body === undefined
      ? { status: 413, body: 'The request is too large.\n' }
      : reply(await witness.addCheckpoint(body))
  }
  const id = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path)?.[1]
  const newest = id === undefined || request.method !== 'GET' ? undefined : await witness.newest(id)
  return newest === undefined ? { status: 404, body: 'Nothing is here.\n' } : { status: 200, body: newest }
}

function reply(answer: Answer): Reply {
  if (answer.verdict === 'cosigned') return { status: STATUS.cosigned, body: answer.lines }
  if (answer.verdict === 'conflict')
    return { status: STATUS.conflict, body: `${answer.size}\n`, type: 'text/x.tlog.size' }
  if (answer.verdict === 'cosign') throw new TypeError('a judgement is not an answer')
  return { status: STATUS[answer.verdict], body: `${answer.message}\n` }
}

function failure(error: unknown): Reply {
  const message = isFault(error) ? error.message : 'The witness could not decide.'
  return { status: isFault(error) && error.code === 'unavailable' ? 503 : 500, body: `${message}\n` }
}

function send(
  response: ServerResponse,
  { status, body, type }: Reply,
  what: string,
  said?: (line: string) => void,
): void {
  said?.(`${what} ${status}`)
  const length = Buffer.byteLength(body)
  response.writeHead(status, { 'content-type': type ?? 'text/plain; charset=utf-8', 'content-length': length })
  response.end(body)
}

const pathOf = ({ url }: IncomingMessage): string => (url ?? '').split('?')[0] ?? ''

/** Undefined where it is longer than any request may be: the rest is read and forgotten, so that the answer arrives. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length <= BODY_BYTES_MAX) parts.push(part)
  }
  return length > BODY_BYTES_MAX ? undefined : Buffer.concat(parts).toString()
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
