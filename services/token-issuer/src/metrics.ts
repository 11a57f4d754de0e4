import { readGauge } from '@writ/service-kit'
import { Counter, Histogram, type Registry } from 'prom-client'
import type { Freshness } from './core/freshness.ts'

export interface Metrics {
  readonly ticked: (tookMs: number) => void
  readonly tickFailed: () => void
  readonly redeemed: (code: string) => void
  readonly issued: (code: string) => void
}

/** `code` is `ok` or a reason code. */
export function createIssuerMetrics(
  registry: Registry,
  freshness: Freshness,
  index: { readonly complete: boolean; readonly connected?: boolean },
): Metrics {
  const registers = [registry]
  const labelNames = ['code'] as const
  const tick = new Histogram({
    name: 'writ_tick_duration_seconds',
    help: 'How long acknowledged ticks took.',
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
    registers,
  })
  const failures = new Counter({
    name: 'writ_tick_failures_total',
    help: 'Ticks that were not acknowledged.',
    registers,
  })
  const redeems = new Counter({ name: 'writ_redeems_total', help: 'Redeems by their answer.', labelNames, registers })
  const issues = new Counter({
    name: 'writ_issues_total',
    help: 'Requests for a token by their answer.',
    labelNames,
    registers,
  })
  readGauge(
    registry,
    'writ_tick_age_seconds',
    'Since the start of the last acknowledged tick; nothing is issued or redeemed above 3.',
    () => (freshness.ageMs ?? Infinity) / 1000,
  )
  readGauge(registry, 'writ_token_index_complete', '1 while Redis answers and holds every token.', () =>
    Number(index.complete),
  )
  readGauge(registry, 'writ_redis_up', '1 while Redis answers.', () => Number(index.connected ?? index.complete))
  return {
    ticked: (tookMs) => tick.observe(tookMs / 1000),
    tickFailed: () => failures.inc(),
    redeemed: (code) => redeems.inc({ code }),
    issued: (code) => issues.inc({ code }),
  }
}
