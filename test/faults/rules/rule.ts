import type { History, LoggedEvent } from '../history.ts'

export const RULES = [
  'one-final-state',
  'ends-as-it-was',
  'step-once',
  'active-policy',
  'two-records-first',
  'logged-once',
  'log-verifies',
  'nothing-left',
  'back-to-size',
] as const
export type RuleName = (typeof RULES)[number]

export interface Finding {
  readonly rule: RuleName
  /** An intent, a step, a message, a process. */
  readonly about: string
  readonly message: string
}

export type Rule = (history: History) => readonly Finding[]

export const FINAL: ReadonlySet<string> = new Set([
  'succeeded',
  'failed',
  'partial',
  'denied',
  'expired',
  'cancelled',
  'revoked',
  'unknown',
])

export const stepOf = ({ plan_id, step_id }: { readonly plan_id: string; readonly step_id: string }): string =>
  `${plan_id}/${step_id}`

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string | undefined): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    if (key === undefined) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** An event with where it stands: its leaf, and its message's name. */
export interface Placed extends LoggedEvent {
  readonly index: number
  readonly source: string
  readonly seq: number
}

export function eventsOf({ log }: Pick<History, 'log'>): readonly Placed[] {
  return log.flatMap(({ index, source, seq, events }) => events.map((event) => ({ ...event, index, source, seq })))
}
