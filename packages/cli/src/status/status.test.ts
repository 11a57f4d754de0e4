import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { problemsOf } from './plane-status.ts'
import { parseMetrics, sumOf } from './read-metrics.ts'
import { serviceHealth } from './service-health.ts'

describe('metrics', () => {
  const page = `# HELP a_total What it counts.
# TYPE a_total counter
a_total{code="ok",role="x \\"y\\" {z}"} 2
a_total{code="no"} 3.5
b_seconds +Inf
c 1e3 1700000000
no sample
`
  test('are read, with labels, and summed', () => {
    const samples = parseMetrics(page)
    expect(samples).toHaveLength(4)
    expect(sumOf(samples, 'a_total')).toBe(5.5)
    expect(sumOf(samples, 'a_total', ['code', 'ok'])).toBe(2)
    expect(sumOf(samples, 'c')).toBe(1000)
    expect(sumOf(samples, 'd')).toBeUndefined()
  })
})

describe('a service', () => {
  async function answering(status: number, body: string) {
    const server = createServer((_, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.dispose]: () => server.close() }
  }
  test('that is not ready says which check and why', async () => {
    using server = await answering(503, '{"ready":false,"checks":{"bus":"ok","control":"A message is withheld."}}')
    expect(await serviceHealth('x', server.url)).toMatchObject({
      state: 'not ready',
      problems: ['control: A message is withheld.'],
    })
  })
  test('that answers nonsense, or not at all, is down and no reason to stop', async () => {
    using server = await answering(200, '<html>')
    expect(await serviceHealth('x', server.url)).toMatchObject({ state: 'down' })
    const { url } = server
    server[Symbol.dispose]()
    expect(await serviceHealth('x', url)).toMatchObject({
      state: 'down',
      problems: [expect.stringContaining('ECONNREFUSED')],
    })
  })
})

describe('a plane', () => {
  const well = {
    nats: { url: 'nats://x', connected: true },
    services: [{ name: 'x', url: '', state: 'ready' as const, problems: [] }],
    gateways: [{ id: 'g', state: 'confirmed' as const, seq: 3 }],
    heads: {
      control: { stream: 's', seq: 3, standing: 0 },
      policy: { version: 1, revision: 'r', bundle_sha256: 'b' },
      records: { agent: 0, gateway: 1, device: 0, approver: 0, operator: 0 },
    },
    backlog: { seal_age_s: 5, oldest_unsealed_s: 0, audit_unsent: 0 },
  }
  test('is well when nothing is wrong, and each thing that is has its sentence', () => {
    expect(problemsOf(well)).toEqual([])
    expect(problemsOf({ ...well, gateways: [{ id: 'g', state: 'silent' }] })).toEqual(['The gateway g is silent.'])
    expect(problemsOf({ ...well, backlog: { seal_age_s: 500, oldest_unsealed_s: 60, audit_unsent: 2 } })).toHaveLength(
      3,
    )
    const { policy: _, ...noPolicy } = well.heads
    expect(problemsOf({ ...well, heads: noPolicy })).toEqual([expect.stringContaining('No policy')])
    expect(
      problemsOf({ ...well, services: [{ name: 'x', url: '', state: 'down', problems: ['nobody listens'] }] }),
    ).toEqual(['x is down: nobody listens'])
  })
})
