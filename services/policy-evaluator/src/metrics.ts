import type { FiledRecord } from '@writ/authority'
import type { Decision } from '@writ/contracts'
import { countBy } from '@writ/service-kit'
import { Gauge, type Registry } from 'prom-client'

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

/** Says which version of `policy/active` decides here: one series, of value 1, whose labels name it. */
export function activePolicyGauge(registry: Registry): (policy: FiledRecord<'policy'>) => void {
  const gauge = new Gauge({
    name: 'writ_policy_active_info',
    help: 'The policy that decides here: its version, bundle and revision.',
    labelNames: ['version', 'bundle_sha256', 'revision'],
    registers: [registry],
  })
  return ({ version, record: { bundle_sha256, revision } }) => {
    gauge.reset()
    gauge.set({ version: String(version), bundle_sha256, revision }, 1)
  }
}
