import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Health } from './health.ts'
import { startHealthServer } from './health-server.ts'
import { createMetrics } from './metrics.ts'

const local = { host: '127.0.0.1', port: 0 }

test('is alive at once, ready when opened and while every check says so, and names the reason otherwise', async () => {
  const health = new Health()
  let problem: string | undefined
  health.check('disk', () => problem)
  await using server = await startHealthServer({ ...local, health, metrics: new Registry() })
  const ready = async () => {
    const response = await fetch(`${server.url}/readyz`)
    return { status: response.status, ...((await response.json()) as object) }
  }
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
  expect(await ready()).toEqual({ status: 503, ready: false, checks: { phase: 'starting', disk: 'ok' } })
  const open = health.open()
  expect(await ready()).toEqual({ status: 200, ready: true, checks: { disk: 'ok' } })
  problem = 'The disk is full.'
  expect(await ready()).toEqual({ status: 503, ready: false, checks: { disk: 'The disk is full.' } })
  health.check('disk', () => {
    throw new Error('cannot tell')
  })
  expect(await ready()).toMatchObject({ status: 503, checks: { disk: 'cannot tell' } })
  await open[Symbol.asyncDispose]()
  expect(await ready()).toMatchObject({ status: 503, checks: { phase: 'stopping' } })
})

test('serves Prometheus text of its own registry, and nothing but GET of its three pages', async () => {
  const metrics = createMetrics('token-issuer')
  await using server = await startHealthServer({ ...local, health: new Health(), metrics })
  const text = await (await fetch(`${server.url}/metrics`)).text()
  expect(text).toContain('process_cpu_seconds_total{role="token-issuer"}')
  expect((await fetch(`${server.url}/`)).status).toBe(404)
  expect((await fetch(`${server.url}/healthz`, { method: 'POST', body: 'x' })).status).toBe(405)
})

test('a taken port is an error that names it', async () => {
  await using first = await startHealthServer({ ...local, health: new Health(), metrics: new Registry() })
  const { port } = new URL(first.url)
  const second = startHealthServer({ ...local, port: Number(port), health: new Health(), metrics: new Registry() })
  await expect(second).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(port) as string })
})
