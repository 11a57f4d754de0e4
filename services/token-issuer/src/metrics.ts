import { REASON_CODES } from '@writ/contracts'
import { countBy, readGauge } from '@writ/service-kit'
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
  const values: readonly string[] = ['ok', 'again', ...REASON_CODES]
  const counter = (name: string, help: string) => countBy(registry, { name, help, label: 'code', values })
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
    redeemed: counter('writ_redeems_total', 'Redeems by their answer.'),
    issued: counter('writ_issues_total', 'Requests for a token by their answer.'),
  }
}
