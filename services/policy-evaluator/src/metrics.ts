import type { Decision } from '@writ/contracts'
import { Counter, type Registry } from 'prom-client'

/** Counts decisions by their outcome. */
export function decisionCounter(registry: Registry): (decision: Decision) => void {
  const counter = new Counter({
    name: 'writ_decisions_total',
    help: 'Decisions by their outcome.',
    labelNames: ['outcome'],
    registers: [registry],
  })
  return ({ outcome }) => counter.inc({ outcome })
}
