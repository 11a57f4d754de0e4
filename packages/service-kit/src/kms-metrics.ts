import type { CircuitState, KmsObserver } from '@writ/keys'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const CIRCUIT: Readonly<Record<CircuitState, number>> = { closed: 0, 'half-open': 1, open: 2 }
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 10]

/** What the service's keys in KMS do. */
export function measureKms(registry: Registry): KmsObserver {
  const registers = [registry]
  const attempts = new Counter({
    name: 'writ_kms_attempts_total',
    help: 'Requests to KMS by what became of them; not_tried: KMS had failed so often that nobody asked.',
    labelNames: ['operation', 'result'],
    registers,
  })
  for (const operation of ['sign', 'encrypt', 'decrypt'] as const)
    for (const result of ['failed', 'refused', 'wrong', 'not_tried'] as const) attempts.inc({ operation, result }, 0)
  const seconds = new Histogram({
    name: 'writ_kms_attempt_duration_seconds',
    help: 'How long KMS took to answer, or nobody waited any more.',
    labelNames: ['operation'],
    buckets: BUCKETS,
    registers,
  })
  const circuit = new Gauge({
    name: 'writ_kms_circuit',
    help: 'Circuit breaker of the key in KMS that changed last: 0 closed, 1 trying, 2 open.',
    registers,
  })
  return {
    called: (operation, result, took) => {
      attempts.inc({ operation, result })
      if (result !== 'not_tried') seconds.observe({ operation }, took)
    },
    circuit: (state) => circuit.set(CIRCUIT[state]),
  }
}
