import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Agent, connectAgent, type FinishedIntent } from '@writ/agent-sdk'
import { LOCAL_ROLES } from '@writ/local'
import { readTracingConfig, startTracing, type Tracing } from '@writ/tracing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LocalStack, root, startLocalStack } from './support/local-stack.ts'
import { type CollectedSpan, type OtlpCollector, startCollector } from './support/otlp-collector.ts'
import { ownProcess } from './support/own-process.ts'
import { parseMetrics, type Sample, usedBy } from './support/promql.ts'

const run = promisify(execFile)
const observability = join(root, 'deploy/observability')
const PURPOSE = 'Ask how warm the oil of the big one is.'

let collector: OtlpCollector
let local: LocalStack
let tracing: Tracing
let agent: Agent

beforeAll(async () => {
  collector = await startCollector()
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
  }
  tracing = await startTracing(readTracingConfig(env), { service: 'an-agent', instance: '0' })
  local = await startLocalStack('observability', env)
  agent = await connectAgent({ enrolment: local.stack.paths.identity('agent', 'maintenance') })
})
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
  await tracing?.[Symbol.asyncDispose]()
  await collector?.[Symbol.asyncDispose]()
})

async function ask(
  action = 'telemetry-read',
  target = 'temp-11',
): Promise<FinishedIntent & { traceId: string; digest: string }> {
  const intent = await agent.submit({ action, targets: [target], onBehalfOf: 'u-anna', purpose: PURPOSE })
  const traceId = intent.traceparent.split('-')[1] ?? ''
  return { ...(await intent.done(AbortSignal.timeout(20_000))), traceId, digest: intent.digest }
}

async function metricsOf(role: (typeof LOCAL_ROLES)[number]): Promise<string> {
  return (await fetch(`${local.stack.healthUrls[role]}/metrics`)).text()
}

async function until(what: string, check: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  for (const end = performance.now() + withinMs; !(await check()); await delay(50))
    if (performance.now() > end) throw new Error(`did not happen: ${what}`)
}

const isOf = (service: string, name: string) => (span: CollectedSpan) => span.service === service && span.name === name

describe('traces', () => {
  test('one intent is one trace, from its agent over every service to the action and back', async () => {
    const { status, traceId, digest } = await ask()
    expect(status.state).toBe('succeeded')
    const mine = () => collector.spans.filter((span) => span.traceId === traceId)
    // Each process sends its spans when it likes.
    const orphans = () =>
      mine().filter(({ parentSpanId }) => parentSpanId && !mine().some(({ spanId }) => spanId === parentSpanId))
    const ends = [
      isOf('writ-policy-evaluator', 'policy.decide'),
      isOf('writ-intent-gateway', 'settle'),
      isOf('writ-gateway', 'plan'),
      isOf('writ-token-issuer', 'redeem'),
    ]
    await until('the trace is complete', () => ends.every((end) => mine().some(end)) && orphans().length === 0)
    const spans = mine()
    const [start, ...roots] = spans.filter(({ parentSpanId }) => parentSpanId === undefined)
    expect([start?.service, start?.name, roots]).toEqual(['an-agent', 'intent', []])
    const pathTo = (span: CollectedSpan | undefined): string[] =>
      span === undefined
        ? []
        : [...pathTo(spans.find(({ spanId }) => spanId === span.parentSpanId)), `${span.service} ${span.name}`]
    const before = ['an-agent intent', 'writ-intent-gateway intent', 'writ-intent-gateway decide']
    const gateway = [...before, 'writ-intent-gateway publish plans', 'writ-gateway plan']
    expect(pathTo(spans.find(isOf('writ-policy-evaluator', 'policy.decide')))).toEqual([
      ...before,
      'writ-intent-gateway policy.decide',
      'writ-policy-evaluator policy.decide',
    ])
    expect(pathTo(spans.find(isOf('writ-token-issuer', 'token.issue')))).toEqual([
      ...before,
      'writ-intent-gateway token.issue',
      'writ-token-issuer token.issue',
    ])
    expect(pathTo(spans.find(isOf('writ-token-issuer', 'redeem')))).toEqual([
      ...gateway,
      'writ-gateway redeem',
      'writ-token-issuer redeem',
    ])
    expect(pathTo(spans.find(isOf('writ-gateway', 'verify')))).toEqual([...gateway, 'writ-gateway verify'])
    expect(pathTo(spans.find(isOf('writ-gateway', 'action')))).toEqual([...gateway, 'writ-gateway action'])
    expect(pathTo(spans.find(isOf('writ-intent-gateway', 'outcome')))).toEqual([
      ...gateway,
      'writ-intent-gateway outcome',
    ])
    expect(spans.find(isOf('writ-policy-evaluator', 'policy.decide'))?.attributes).toEqual({
      'writ.intent_digest': digest,
      'writ.outcome': 'allow',
    })
    expect(spans.filter(({ failed }) => failed)).toEqual([])
    await until('the seals are traced', () => collector.spans.some(isOf('writ-audit-sink', 'seal')))
  })

  test('no span names a person, an agent or a device, or holds a purpose, a parameter or anything signed', async () => {
    const denied = await ask('firmware-update', 'press-07')
    expect(denied.status.state).toBe('denied')
    await until('it is told', () => collector.spans.filter(({ traceId }) => traceId === denied.traceId).length > 3)
    const all = collector.bodies.join('\n')
    for (const secret of [PURPOSE, 'u-anna', 'maintenance', 'temp-11', 'press-07', 'eyJ'])
      expect(all).not.toContain(secret)
    const said = new Set(collector.spans.flatMap(({ attributes }) => Object.keys(attributes)))
    for (const name of said)
      expect(name).toMatch(/^(writ\.(intent_digest|plan_id|step_id|state|outcome|code|entries)|error\.type)$/)
  })

  test('a receiver that hangs, and one that is gone, hold up no intent: spans are lost and counted', async () => {
    const lost = async () =>
      (await local.counter('token-issuer', 'writ_trace_spans_total', 'failed')) +
      (await local.counter('token-issuer', 'writ_trace_spans_total', 'dropped'))
    collector.hang()
    expect((await ask()).status.state).toBe('succeeded')
    await until('spans fail', async () => (await lost()) > 0)
    const before = await lost()
    await stopsInOrder('audit-sink')
    await collector[Symbol.asyncDispose]()
    expect((await ask()).status.state).toBe('succeeded')
    await until('more spans fail', async () => (await lost()) > before)
    expect(local.said.filter((line) => line.includes('ended by itself'))).toHaveLength(1)
  })
})

/** Is told to end, ends by itself, and is started again. */
async function stopsInOrder(role: (typeof LOCAL_ROLES)[number]): Promise<void> {
  const running = ownProcess(local.stack, role)
  const { pid } = running
  running.signal('SIGTERM')
  await until(`${role} is another process`, () => ![pid, undefined].includes(local.stack.pidOf(role)))
  await local.stack.untilReady()
  const log = await readFile(local.stack.paths.log(role), 'utf8')
  expect(log).toContain('"msg":"stopped"')
  expect(log).not.toContain('keeps the process alive')
}

describe('metrics', () => {
  let samples: readonly Sample[]
  let families: ReturnType<typeof parseMetrics>['families']

  beforeAll(async () => {
    // Something that nobody has signed: a refusal of each kind.
    const { operator } = local.stack
    await operator.bus.request(operator.subjects.query('operator', operator.id), 'nonsense')
    await until('the clock is compared', async () =>
      (await metricsOf('audit-sink')).includes('writ_clock_offset_seconds{'),
    )
    const parsed = (await Promise.all(LOCAL_ROLES.map(metricsOf))).map(parseMetrics)
    samples = parsed.flatMap((each) => each.samples)
    families = parsed.flatMap((each) => each.families)
  })

  test('are named by the conventions, and explained', () => {
    const own = families.filter(({ name }) => name.startsWith('writ_'))
    expect(own.length).toBeGreaterThan(40)
    for (const { name, type, help } of own) {
      expect(help, name).toMatch(/^[A-Z0-9].+\.$/)
      expect(name, name).toMatch(/^[a-z_]+$/)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name, name).not.toMatch(/_(ms|milliseconds|minutes|hours|kb|mb|count|sum|bucket|percent)$/)
      if (type === 'histogram') expect(name, name).toMatch(/_(seconds|bytes)$/)
    }
  })

  test('have labels of closed sets only: no id, no digest, no subject, and not many series', () => {
    const own = samples.filter(({ name }) => name.startsWith('writ_') && !name.endsWith('_info'))
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)))
    expect([...labels].sort()).toEqual(
      ['check', 'clock', 'code', 'le', 'operation', 'outcome', 'result', 'role', 'stage', 'state', 'stream'].sort(),
    )
    for (const { name, labels: given } of own)
      for (const [label, value] of Object.entries(given))
        if (label !== 'le') expect(value, `${name} ${label}`).toMatch(/^[A-Za-z][A-Za-z_.-]{0,31}$/)
    expect(own.length).toBeLessThan(1500)
    // What an `_info` says changes, but there is one of it.
    const infos = samples.filter(({ name }) => name.startsWith('writ_') && name.endsWith('_info'))
    expect(infos.every(({ value }) => value === 1)).toBe(true)
    expect(new Set(infos.map(({ name, labels: { role } }) => `${name} ${role}`)).size).toBe(infos.length)
  })

  test('say what happened: intents by end and code, stages, redeems, ticks, seals, streams, CONTROL', () => {
    const value = (name: string, labels: Record<string, string> = {}): number =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text))
        .reduce((sum, sample) => sum + sample.value, 0)
    expect(value('writ_intents_finished_total', { state: 'succeeded', code: 'none' })).toBe(3)
    expect(value('writ_intents_finished_total', { state: 'denied' })).toBe(1)
    expect(value('writ_intents_accepted_total')).toBe(4)
    for (const stage of ['decide', 'issue', 'dispatch', 'begin', 'run'])
      expect(value('writ_intent_stage_duration_seconds_count', { stage }), stage).toBeGreaterThanOrEqual(3)
    const stages = value('writ_intent_stage_duration_seconds_sum')
    expect(stages).toBeCloseTo(value('writ_intent_duration_seconds_sum'), 0)
    expect(value('writ_operation_duration_seconds_count', { operation: 'redeem' })).toBe(3)
    expect(value('writ_redeems_total', { code: 'ok' })).toBe(3)
    expect(value('writ_decisions_total', { outcome: 'allow' })).toBe(3)
    expect(value('writ_messages_refused_total', { code: 'malformed' })).toBe(1)
    expect(value('writ_operation_failures_total', { operation: 'query', code: 'malformed' })).toBe(1)
    expect(value('writ_operations_in_flight', { operation: 'redeem' })).toBe(0)
    expect(value('writ_tick_age_seconds')).toBeLessThan(3)
    expect(value('writ_log_entries')).toBeGreaterThan(10)
    expect(value('writ_audit_unsealed_age_seconds')).toBeLessThan(5)
    expect(value('writ_seal_last_success_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000 - 60)
    expect(value('writ_signing_key_expiry_timestamp_seconds', { role: 'audit-sink' })).toBeGreaterThan(
      Date.now() / 1000,
    )
    for (const role of LOCAL_ROLES) {
      expect(value('writ_ready', { role }), role).toBe(1)
      expect(value('writ_bus_connected', { role }), role).toBe(1)
      expect(value('writ_control_reliable', { role }), role).toBe(1)
      expect(value('writ_control_seq', { role }), role).toBeGreaterThanOrEqual(1)
      expect(value('writ_policy_version', { role }), role).toBeGreaterThanOrEqual(1)
      // One machine, one clock: what is left is the way to the server and back.
      const off = Math.abs(value('writ_clock_offset_seconds', { role }))
      expect(off, role).toBeLessThanOrEqual(value('writ_clock_offset_error_seconds', { role }) + 0.002)
    }
    expect(value('writ_redis_up')).toBe(1)
    expect(value('writ_stream_limit_bytes', { stream: 'AUDIT' })).toBeGreaterThan(0)
  })

  test('every expression of the dashboard and of the alerts finds its metrics, labels and values', async () => {
    const expressions = [...(await dashboardExpressions()), ...(await alerts()).map(({ expr }) => expr)]
    expect(expressions.length).toBeGreaterThan(90)
    /** Labels that Prometheus puts on what it scrapes. */
    const scraped = ['instance', 'job']
    for (const expr of expressions) {
      const { selectors, groupedBy } = usedBy(expr)
      expect(selectors.length, expr).toBeGreaterThan(0)
      const found = selectors.flatMap(({ name, matchers }) => {
        const series = samples.filter((sample) => sample.name === name)
        expect(series.length, `${name} in ${expr}`).toBeGreaterThan(0)
        for (const { label, values } of matchers)
          for (const value of values)
            expect(
              series.some(({ labels }) => labels[label] === value),
              `${label}="${value}" in ${expr}`,
            ).toBe(true)
        return series
      })
      for (const label of groupedBy.filter((each) => !scraped.includes(each)))
        expect(
          found.some(({ labels }) => labels[label] !== undefined),
          `${label} in ${expr}`,
        ).toBe(true)
    }
  })
})

describe('the files for operators', () => {
  test('the dashboard is the one that its script makes', async () => {
    await run(process.execPath, [join(observability, 'build.mjs'), '--check'])
  })

  test('every alert waits, weighs, says what is wrong and what to do, and has its case', async () => {
    const cases = await readFile(join(observability, 'alerts.test.yaml'), 'utf8')
    for (const { name, expr, text } of await alerts()) {
      expect(expr, name).not.toBe('')
      expect(text, name).toMatch(/\n {8}for: \d+[smh]\n {8}labels: \{ severity: (critical|warning|info) \}\n/)
      expect(text, name).toMatch(/\n {10}summary: .{10,}\.["]?\n {10}runbook: .{40,}\.\n/)
      expect(cases).toContain(`{alertname="${name}"}`)
    }
  })

  test('the rules are what Prometheus takes, and each fires in its case', async (context) => {
    const there = await run('promtool', ['--version']).then(
      () => true,
      () => false,
    )
    if (!there) return context.skip('promtool is not in the PATH')
    await run('promtool', ['check', 'rules', 'alerts.yaml'], { cwd: observability })
    await run('promtool', ['test', 'rules', 'alerts.test.yaml'], { cwd: observability })
    // The panels' expressions too, as if they were rules.
    const panels = (await dashboardExpressions()).map((expr) => expr.replaceAll('$__rate_interval', '5m'))
    const rules = panels.map((expr, index) => ({ record: `panel:${index}`, expr }))
    const file = join(local.home, 'panels.json')
    await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }))
    await run('promtool', ['check', 'rules', '--lint=none', file])
  })
})

interface Alert {
  readonly name: string
  readonly expr: string
  readonly text: string
}

async function alerts(): Promise<readonly Alert[]> {
  const file = await readFile(join(observability, 'alerts.yaml'), 'utf8')
  return file
    .split('\n      - alert: ')
    .slice(1)
    .map((text) => ({
      name: text.split('\n', 1)[0] ?? '',
      expr: /\n {8}expr: (.+)\n/.exec(text)?.[1] ?? '',
      text: `${text.split('\n  - name:')[0]}\n`,
    }))
}

async function dashboardExpressions(): Promise<readonly string[]> {
  const { panels } = JSON.parse(await readFile(join(observability, 'grafana-dashboard.json'), 'utf8')) as {
    readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[]
  }
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
}
