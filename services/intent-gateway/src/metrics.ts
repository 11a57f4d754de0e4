import { INTENT_STATES, OUTCOME_STATES, REASON_CODES } from '@writ/contracts'
import { countBy } from '@writ/service-kit'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { LiveEntry } from './core/intent-index.ts'
import { isFinal } from './core/intent-record.ts'
import { StageTimes } from './core/stage-times.ts'
import type { Meter } from './ports.ts'

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

/**
 * Labels are closed sets: states, codes and stages. Times are of the intents that this replica took in: with several, each sees a share
 * of them, and not the stages that another one ended.
 */
export function createMeter(registry: Registry, live: () => Iterable<LiveEntry>): Meter {
  const counter = <V extends string>(name: string, help: string, label: string, values: readonly V[]) =>
    countBy(registry, { name, help, label, values })
  gaugeOpen(registry, live)
  const times = new StageTimes(() => performance.now())
  const { taken, ended, stages, whole } = intents(registry)
  return {
    state: counter('writ_intent_statuses_total', 'Statuses said, by state.', 'state', INTENT_STATES),
    refused: counter('writ_refusals_total', 'Messages refused, by code.', 'code', REASON_CODES),
    outcome: counter('writ_outcomes_total', 'Outcomes of gateways, by state; late: another counts.', 'state', [
      ...OUTCOME_STATES,
      'late',
    ]),
    accepted: (key) => {
      taken.inc()
      times.begin(key)
    },
    passed: (key, stage) => {
      const seconds = times.lap(key)
      if (seconds !== undefined) stages.observe({ stage }, seconds)
    },
    finished: (key, state, code) => {
      ended.inc({ state, code })
      const seconds = times.end(key)
      if (seconds !== undefined) whole.observe({ state }, seconds)
    },
  }
}

function intents(registry: Registry) {
  const registers = [registry]
  const made = {
    taken: new Counter({
      name: 'writ_intents_accepted_total',
      help: 'Intents that own their id, so those denied at intake too.',
      registers,
    }),
    ended: new Counter({
      name: 'writ_intents_finished_total',
      help: 'Intents that reached a final state, by the state and its first reason.',
      labelNames: ['state', 'code'],
      registers,
    }),
    stages: new Histogram({
      name: 'writ_intent_stage_duration_seconds',
      help: 'How long a stage took: decide, wait (for people or attestation), issue, dispatch, begin, run.',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    }),
    whole: new Histogram({
      name: 'writ_intent_duration_seconds',
      help: 'From taking an intent in to its final state.',
      labelNames: ['state'],
      buckets: SECONDS,
      registers,
    }),
  }
  for (const state of INTENT_STATES.filter(isFinal)) made.ended.inc({ state, code: 'none' }, 0)
  return made
}

function gaugeOpen(registry: Registry, live: () => Iterable<LiveEntry>): void {
  new Gauge({
    name: 'writ_intents_open',
    help: 'Intents that are not settled, by state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const open = new Map<string, number>(INTENT_STATES.map((state) => [state, 0]))
      for (const { record } of live()) open.set(record.state, (open.get(record.state) ?? 0) + 1)
      for (const [state, count] of open) this.set({ state }, count)
    },
  })
}
