import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { backlogOf } from './backlog.ts'
import { NO_GATEWAY_HEARD, NO_SERVICE_ASKED, notAskedOf, problemsOf } from './plane-status.ts'
import { parseMetrics, sumOf } from './read-metrics.ts'
import { serviceHealth } from './service-health.ts'
import { storeStateOf } from './store-state.ts'

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
    expect(sumOf(samples, 'c')).toBe(1000)
    expect(sumOf(samples, 'd')).toBeUndefined()
  })
})

describe('what replicas say', () => {
  const NOW = 1_700_000_100_000
  const backlog = (...pages: string[]) =>
    backlogOf(
      pages.map((page) => ({ samples: parseMetrics(page) })),
      NOW,
    )

  test('of the same thing is not added up: two sinks sealed the log a moment ago, not in the year 2077', () => {
    const sealed = (at: number, entries: number, waits: number) =>
      `writ_seal_last_success_timestamp_seconds ${at}\nwrit_log_entries ${entries}\nwrit_audit_unsealed_age_seconds ${waits}`
    expect(backlog(sealed(1_700_000_090, 100, 2), sealed(1_700_000_095, 120, 40))).toEqual({
      seal_age_s: 5,
      log_entries: 120,
      oldest_unsealed_s: 40,
    })
    // One stands still in the epoch before; one has only begun.
    expect(backlog(sealed(1_700_000_000, 9000, 0), sealed(1_700_000_095, 3, 0), sealed(0, 0, 0))).toMatchObject({
      seal_age_s: 5,
      log_entries: 3,
    })
    expect(backlog(sealed(0, 0, 0))).toEqual({ log_entries: 0, oldest_unsealed_s: 0 })
  })
  test('of all intents is said once, of what each holds itself is added up, and one issuer that ticks is enough', () => {
    const broker = 'writ_intents_open{state="accepted"} 2\nwrit_intents_open{state="executing"} 1\n'
    const own = 'writ_audit_unsent_messages 2\nwrit_audit_uncovered_messages 3\n'
    const pages = [broker + own, broker + own, 'writ_tick_age_seconds 900', 'writ_tick_age_seconds 0.4']
    expect(backlog(...pages)).toEqual({ intents_open: 3, audit_unsent: 4, audit_uncovered: 6, tick_age_s: 0.4 })
    expect(backlog('writ_tick_age_seconds +Inf')).toEqual({})
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
  test('of whose services nobody was asked is not said to be well altogether', () => {
    expect(notAskedOf([], { isOperator: true, hears: true })).toEqual([NO_SERVICE_ASKED])
    expect(notAskedOf([{}], { isOperator: true, hears: true })).toEqual([])
    expect(notAskedOf([], { isOperator: false, hears: true })).toEqual([NO_SERVICE_ASKED, NO_GATEWAY_HEARD])
    expect(notAskedOf([{}], { isOperator: true, hears: false })).toEqual([NO_GATEWAY_HEARD])
  })
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

describe('the store', () => {
  const state = (...pages: string[]) => storeStateOf(pages.map((page) => ({ samples: parseMetrics(page) })))

  test('is what sinks found it to be, the worst that one saw', () => {
    const proven = 'writ_store_proven 1\nwrit_store_check_failed{check="bulk_delete"} 0'
    const weak = 'writ_store_proven 0\nwrit_store_check_failed{check="bulk_delete"} 1'
    expect(state(proven)).toEqual({ proven: true, failed: [] })
    expect(state(proven, weak)).toEqual({ proven: false, failed: ['bulk_delete'] })
  })

  test('is not spoken of where no sink has looked', () => {
    expect(state()).toBeUndefined()
    expect(state('writ_store_proven 0\nwrit_store_check_failed{check="bulk_delete"} 0')).toBeUndefined()
  })
})
