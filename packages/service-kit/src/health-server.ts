import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Fault } from '@writ/contracts'
import type { Registry } from 'prom-client'
import type { Health } from './health.ts'

export interface HealthServerOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  readonly health: Health
  readonly metrics: Registry
}

export interface HealthServer extends AsyncDisposable {
  /** `http://<host>:<port>` */
  readonly url: string
}

const CONNECTIONS_MAX = 64

/**
 * `GET /healthz` (the process is alive), `/readyz` (200 or 503, with each check and its reason), `/metrics` (Prometheus text). Throws
 * Fault `unavailable` when the port is taken.
 */
export async function startHealthServer({ host, port, health, metrics }: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    answer(request, response, health, metrics).catch(() => response.destroy())
  })
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, host, port)
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${name}:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Fault('unavailable', { message: `The health port ${host}:${port} cannot be used.`, cause }))
    })
    server.listen({ host, port }, resolve)
  })
}

async function answer(request: IncomingMessage, response: ServerResponse, health: Health, metrics: Registry) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n')
  const page = (request.url ?? '').split('?', 1)[0]
  if (page === '/healthz') return send(response, 200, 'application/json', '{"alive":true}\n')
  if (page === '/metrics') return send(response, 200, metrics.contentType, await metrics.metrics())
  if (page !== '/readyz') return send(response, 404, 'text/plain', 'no such page\n')
  const readiness = health.read()
  return send(response, readiness.ready ? 200 : 503, 'application/json', `${JSON.stringify(readiness)}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
}
