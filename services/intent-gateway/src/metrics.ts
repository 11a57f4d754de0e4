import { Counter, Gauge, type Registry } from 'prom-client'
import type { Meter } from './ports.ts'

/** Labels are closed sets: states and codes of the contract. */
export function createMeter(registry: Registry, live: () => number): Meter {
  const counter = (name: string, help: string, label: string) => {
    const made = new Counter({ name, help, labelNames: [label], registers: [registry] })
    return (value: string): void => made.inc({ [label]: value })
  }
  new Gauge({
    name: 'writ_intents_open',
    help: 'Intents that are not settled.',
    registers: [registry],
    collect() {
      this.set(live())
    },
  })
  return {
    state: counter('writ_intent_statuses_total', 'Statuses said, by state.', 'state'),
    refused: counter('writ_refusals_total', 'Messages refused, by code.', 'code'),
    outcome: counter('writ_outcomes_total', 'Outcomes of gateways, by state.', 'state'),
  }
}
