import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/**
 * One registry a service. Its role is on every series; which instance it is, is for the scraper to say. Labels are closed sets (codes,
 * states, names of streams and operations): an id as a label would grow without bound.
 */
export function createMetrics(role: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ role })
  collectDefaultMetrics({ register: registry })
  return registry
}

/**
 * A counter by one label, whose values are all there from the start, at 0: where a series appears with its first event, Prometheus sees
 * no increase.
 */
export function countBy<V extends string>(
  registry: Registry,
  { name, help, label, values }: { name: string; help: string; label: string; values: readonly V[] },
): (value: V) => void {
  const counter = new Counter({ name, help, labelNames: [label], registers: [registry] })
  for (const value of values) counter.inc({ [label]: value }, 0)
  return (value) => counter.inc({ [label]: value })
}

/** A gauge that is read when it is asked for. `read` must not throw. */
export function readGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read())
    },
  })
}
