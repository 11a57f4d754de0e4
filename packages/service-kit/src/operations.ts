import { isFault } from '@writ/contracts'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** How many of each kind of work are in hand, how long they take, and with which codes they fail. */
export class Operations {
  readonly #seconds: Histogram<'operation'>
  readonly #inFlight: Gauge<'operation'>
  readonly #failures: Counter<'operation' | 'code'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#seconds = new Histogram({
      name: 'writ_operation_duration_seconds',
      help: 'How long a piece of work took, by what it was, however it ended.',
      labelNames: ['operation'],
      buckets: BUCKETS,
      registers,
    })
    this.#inFlight = new Gauge({
      name: 'writ_operations_in_flight',
      help: 'Pieces of work in hand.',
      labelNames: ['operation'],
      registers,
    })
    this.#failures = new Counter({
      name: 'writ_operation_failures_total',
      help: 'Pieces of work that ended without success, by reason code.',
      labelNames: ['operation', 'code'],
      registers,
    })
  }

  /** The same work, measured. `operation` is a word of the source. */
  time<A extends unknown[], T>(operation: string, work: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
    this.#inFlight.set({ operation }, 0)
    for (const code of ['internal', 'unavailable']) this.#failures.inc({ operation, code }, 0)
    return async (...args) => {
      const stop = this.#seconds.startTimer({ operation })
      this.#inFlight.inc({ operation })
      try {
        return await work(...args)
      } catch (error) {
        this.#failures.inc({ operation, code: isFault(error) ? error.code : 'internal' })
        throw error
      } finally {
        this.#inFlight.dec({ operation })
        stop()
      }
    }
  }
}
