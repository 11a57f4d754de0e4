import type { SealOutcome } from '@writ/audit'
import { STORE_CHECKS, type StoreStatement } from '@writ/contracts'
import { readGauge } from '@writ/service-kit'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface Metrics {
  /** Measures how long `seal` takes when it succeeds. */
  readonly timed: (seal: () => Promise<SealOutcome>) => () => Promise<SealOutcome>
  readonly sealed: (outcome: SealOutcome) => void
  readonly failed: () => void
  /** A delivery waits for its seal, until the result is called. */
  readonly held: () => () => void
}

export function createSinkMetrics(registry: Registry, waiting: () => number): Metrics {
  const seconds = new Histogram({
    name: 'writ_seal_duration_seconds',
    help: 'From reading the streams to the checkpoint in the store, where something was sealed.',
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    registers: [registry],
  })
  const held = measureHeld(registry, waiting)
  return {
    timed: (seal) => async () => {
      const stop = seconds.startTimer()
      const outcome = await seal()
      if (outcome.entries > 0) stop()
      return outcome
    },
    held,
    ...countSeals(registry),
  }
}

function countSeals(registry: Registry): Pick<Metrics, 'sealed' | 'failed'> {
  const registers = [registry]
  const entries = new Counter({
    name: 'writ_log_sealed_entries_total',
    help: 'Entries that this process brought into the log.',
    registers,
  })
  const failures = new Counter({ name: 'writ_seal_failures_total', help: 'Attempts to seal that failed.', registers })
  const size = new Gauge({ name: 'writ_log_entries', help: 'Entries of the current epoch.', registers })
  const last = new Gauge({
    name: 'writ_seal_last_success_timestamp_seconds',
    help: 'When the log was last found or made complete; 0: not yet.',
    registers,
  })
  return {
    sealed: (outcome) => {
      entries.inc(outcome.entries)
      size.set(outcome.tree.size)
      last.setToCurrentTime()
    },
    failed: () => failures.inc(),
  }
}

function measureHeld(registry: Registry, waiting: () => number): Metrics['held'] {
  const since = new Set<{ readonly sinceMs: number }>()
  readGauge(registry, 'writ_audit_deliveries_waiting', 'Deliveries that wait for their seal.', waiting)
  readGauge(
    registry,
    'writ_audit_unsealed_age_seconds',
    'How long the oldest delivery has waited for its seal; 0: none waits.',
    () => {
      const [oldest] = since
      return oldest === undefined ? 0 : (performance.now() - oldest.sinceMs) / 1000
    },
  )
  return () => {
    const entry = { sinceMs: performance.now() }
    since.add(entry)
    return () => since.delete(entry)
  }
}

/** What the store was found to be at the start. */
export function measureStore(registry: Registry): (statement: StoreStatement) => void {
  const proven = new Gauge({
    name: 'writ_store_proven',
    help: '1: the store passed every check at the start; 0: it did not, or is not asked yet.',
    registers: [registry],
  })
  const failed = new Gauge({
    name: 'writ_store_check_failed',
    help: '1 for each check that the store failed at the start.',
    labelNames: ['check'],
    registers: [registry],
  })
  for (const check of STORE_CHECKS) failed.set({ check }, 0)
  return (statement) => {
    proven.set(statement.proven ? 1 : 0)
    for (const check of statement.failed) failed.set({ check }, 1)
  }
}
