import { collectDefaultMetrics, Registry } from 'prom-client'

/** One registry a service. Labels are closed sets (codes, states): an id as a label would grow without bound. */
export function createMetrics(service: string, instance: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ service, instance })
  collectDefaultMetrics({ register: registry })
  return registry
}
