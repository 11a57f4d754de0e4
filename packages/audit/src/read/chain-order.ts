import type { AuditEvent } from '@writ/contracts'
import type { ReadEntry, ReadEvent } from './read-entry.ts'

/** One event of an intent, with the entry that holds it. */
export interface ChainEvent {
  readonly entry: ReadEntry
  readonly read: ReadEvent
}

/** What must come before what, whoever recorded it first: sources write beside one another. */
const PHASES: readonly (readonly AuditEvent['type'][])[] = [
  ['intent.accepted'],
  ['policy.decided', 'approval.requested', 'approval.given', 'attestation.appraised'],
  [
    'token.issued',
    'plan.dispatched',
    'token.redeemed',
    'action.started',
    'action.succeeded',
    'action.failed',
    'action.refused',
    'action.aborted',
    'action.unknown',
  ],
]
const ENDS_RANK = 4

/**
 * The events of an intent in the order of its chain: asked, decided and approved, then for each plan its token, its dispatch, and for each step its
 * redeem, its start and its end; last what ended it. Within that, by the time that the sources say.
 */
export function inChainOrder(events: readonly ChainEvent[]): ChainEvent[] {
  const plans = [...new Set(events.flatMap(({ read }) => read.event.plan_id ?? []))]
  const lastUse = new Map<string, number>()
  for (const { read } of events) {
    const name = stepName(read.event)
    lastUse.set(name, Math.max(lastUse.get(name) ?? 1, numberOf(read.event.detail?.['use'], 1)))
  }
  const keyed = events.map((one, at) => ({ one, key: [...keyOf(one.read.event, plans, lastUse), at] }))
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ one }) => one)
}

function keyOf(event: ReadEvent['event'], plans: readonly string[], lastUse: ReadonlyMap<string, number>): number[] {
  const found = PHASES.findIndex((types) => types.includes(event.type))
  const phase = found < 0 ? PHASES.length : found
  const time = Date.parse(event.timestamp)
  if (phase !== 2) return [phase, 0, 0, 0, 0, time]
  const plan = plans.indexOf(event.plan_id ?? '')
  const rank = Math.min(ENDS_RANK, PHASES[2]?.indexOf(event.type) ?? 0)
  const step = /^s(\d+)$/.exec(String(event.detail?.['step_id']))?.[1]
  const use = step === undefined ? 0 : numberOf(event.detail?.['use'], lastUse.get(stepName(event)) ?? 1)
  return [phase, plan, step === undefined ? -1 : Number(step), use, rank, time]
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, one] of a.entries()) if (one !== b[at]) return one - (b[at] ?? 0)
  return 0
}

const stepName = ({ plan_id, detail }: ReadEvent['event']): string => `${plan_id}/${String(detail?.['step_id'])}`
const numberOf = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise)
