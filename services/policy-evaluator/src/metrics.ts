import type { Decision } from '@writ/contracts'
import { countBy } from '@writ/service-kit'
import type { Registry } from 'prom-client'

const OUTCOMES: readonly Decision['outcome'][] = ['allow', 'deny', 'needs_approval', 'needs_attestation']

/** Counts decisions by their outcome. */
export function decisionCounter(registry: Registry): (decision: Decision) => void {
  const count = countBy(registry, {
    name: 'writ_decisions_total',
    help: 'Decisions by their outcome.',
    label: 'outcome',
    values: OUTCOMES,
  })
  return ({ outcome }) => count(outcome)
}
