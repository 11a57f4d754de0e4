import type { SealOutcome } from '@writ/audit'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface Metrics {
  /** Measures how long `seal` takes when it succeeds. */
  readonly timed: (seal: () => Promise<SealOutcome>) => () => Promise<SealOutcome>
  readonly sealed: (outcome: SealOutcome) => void
  readonly failed: () => void
}

export function createSinkMetrics(registry: Registry, waiting: () => number): Metrics {
  const registers = [registry]
  const seconds = new Histogram({
    name: 'writ_seal_seconds',
    help: 'From reading the streams to the checkpoint in the store, where something was sealed.',
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    registers,
  })
  const entries = new Counter({
    name: 'writ_log_entries_total',
    help: 'Entries that this process brought into the log.',
    registers,
  })
  const failures = new Counter({ name: 'writ_seal_failures_total', help: 'Attempts to seal that failed.', registers })
  const size = new Gauge({ name: 'writ_log_size', help: 'Entries of the current epoch.', registers })
  new Gauge({
    name: 'writ_audit_deliveries_waiting',
    help: 'Deliveries that wait for their seal.',
    registers,
    collect() {
      this.set(waiting())
    },
  })
  return {
    timed: (seal) => async () => {
      const stop = seconds.startTimer()
      const outcome = await seal()
      if (outcome.entries > 0) stop()
      return outcome
    },
    sealed: (outcome) => {
      entries.inc(outcome.entries)
      size.set(outcome.tree.size)
    },
    failed: () => failures.inc(),
  }
}
