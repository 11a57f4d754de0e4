import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

/**
 * What becomes of a request. `done, answer lost`: the server does it and the line breaks before the answer; `timeout`: nothing is passed on and nothing
 * answered.
 */
export type S3Fault = 'none' | 500 | 503 | 409 | 'timeout' | 'done, answer lost'

/** A line between an S3 client and its server that a test can spoil. Signatures hold: what is passed on is passed on as it is. */
export interface S3FaultProxy extends AsyncDisposable {
  /** For `AWS_ENDPOINT_URL_S3`. */
  readonly url: string
  /** Of every request from now on; a function decides for each, by its number since then. */
  spoil(fault: S3Fault | ((n: number) => S3Fault)): void
  /** Requests that got another answer than the server's since the last `spoil`, by what became of them. */
  spoilt(): Readonly<Partial<Record<S3Fault, number>>>
}

/** Names of S3's errors by their status. */
const NAMES = { 500: 'InternalError', 503: 'SlowDown', 409: 'ConditionalRequestConflict' } as const

export async function startS3FaultProxy(endpoint: string): Promise<S3FaultProxy> {
  const { hostname, port } = new URL(endpoint)
  let decide: (n: number) => S3Fault = () => 'none'
  let requests = 0
  let spoilt: Partial<Record<S3Fault, number>> = {}
  const server = createServer((incoming, outgoing) => {
    incoming.on('error', () => {})
    outgoing.on('error', () => {})
    requests += 1
    const fault = decide(requests)
    if (fault !== 'none') spoilt[fault] = (spoilt[fault] ?? 0) + 1
    if (fault === 'timeout') return void incoming.resume()
    if (typeof fault === 'number') return refuse(incoming, outgoing, fault)
    pass(incoming, outgoing, { hostname, port }, fault === 'done, answer lost')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    spoil: (fault) => {
      decide = typeof fault === 'function' ? fault : () => fault
      requests = 0
      spoilt = {}
      // What waited for an answer that never comes is let go, as a server does that was started again.
      if (fault === 'none') server.closeAllConnections()
    },
    spoilt: () => ({ ...spoilt }),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse, status: keyof typeof NAMES): void {
  incoming.resume().on('end', () => {
    const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${NAMES[status]}</Code><Message>injected</Message></Error>`
    outgoing.writeHead(status, { 'content-type': 'application/xml' }).end(text)
  })
}

function pass(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  to: { readonly hostname: string; readonly port: string },
  loseAnswer: boolean,
): void {
  const { method, url, rawHeaders } = incoming
  // The signature covers Host as the client wrote it.
  const upstream = request({ ...to, method, path: url, headers: rawHeaders as never, setHost: false }, (answer) => {
    if (loseAnswer) return void answer.resume().on('end', () => outgoing.destroy())
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders as never)
    answer.pipe(outgoing)
  })
  upstream.on('error', () => outgoing.destroy())
  incoming.pipe(upstream)
}
