import type { Effect, HeardStatus, History } from '../history.ts'
import type { IntentKind } from '../schedule.ts'
import { type Finding, groupBy, type Rule } from './rule.ts'

/** Kinds whose end does not depend on when a fault comes. */
const CERTAIN: Partial<Record<IntentKind, string>> = {
  denied: 'denied',
  rejected: 'denied',
  'cancelled-waiting': 'cancelled',
}
/** Why a step of an allowed intent may not have been done under faults. */
const EXCUSES = new Set(['too_late', 'interrupted', 'expired', 'stopped', 'token_expired'])
const CANCELLED = new Set([...EXCUSES, 'cancelled'])

/** The final status says what the devices did: what succeeded was begun, what was refused, denied or cancelled was not. */
export const endsAsItWas: Rule = (history) => {
  const last = lastStatuses(history)
  const effects = groupBy(history.effects, ({ intent_digest }) => intent_digest)
  const known = new Set(history.asked.map(({ digest }) => digest))
  return [
    ...history.asked.flatMap(({ id, digest }) => {
      const status = last.get(digest)
      const kind = history.schedule.intents.find((planned) => planned.id === id)?.kind
      if (status === undefined || kind === undefined) return []
      return ofIntent(id, kind, status, effects.get(digest) ?? [])
    }),
    ...[...effects.keys()]
      .filter((digest) => !known.has(digest))
      .map((digest) => ({
        rule: 'ends-as-it-was' as const,
        about: digest,
        message: 'a device did it and nobody asked',
      })),
  ]
}

function ofIntent(id: string, kind: IntentKind, status: HeardStatus, effects: readonly Effect[]): Finding[] {
  const say = (message: string): Finding => ({ rule: 'ends-as-it-was', about: id, message })
  const found: Finding[] = []
  const certain = CERTAIN[kind]
  if (certain !== undefined && status.state !== certain) found.push(say(`it is ${status.state} and not ${certain}`))
  if (['denied', 'cancelled', 'expired', 'revoked'].includes(status.state) && effects.length > 0)
    found.push(say(`it is ${status.state} and a device began`))
  if (certain === undefined && status.state === 'denied') found.push(say(`it is denied: ${status.codes.join(', ')}`))
  const begun = new Set(effects.map(({ step_id }) => step_id))
  for (const { step_id, state, code } of status.steps) {
    if (state === 'succeeded' && !begun.has(step_id)) found.push(say(`${step_id} succeeded and no device began it`))
    if (NOT_BEGUN.includes(state) && begun.has(step_id)) found.push(say(`${step_id} is ${state} and a device began it`))
    if (certain === undefined && !excused(kind, state, code))
      found.push(say(`${step_id} is ${state}: ${code ?? 'no reason'}`))
  }
  return found
}

const NOT_BEGUN = ['refused', 'expired', 'cancelled', 'revoked', 'denied', 'aborted']

function excused(kind: IntentKind, state: string, code: string | undefined): boolean {
  if (state === 'succeeded') return true
  return code !== undefined
    ? (kind === 'cancelled' ? CANCELLED : EXCUSES).has(code)
    : kind === 'cancelled' && state === 'cancelled'
}

export function lastStatuses({ statuses }: Pick<History, 'statuses'>): ReadonlyMap<string, HeardStatus> {
  const last = new Map<string, HeardStatus>()
  for (const status of statuses)
    if (status.n >= (last.get(status.intent_digest)?.n ?? 0)) last.set(status.intent_digest, status)
  return last
}
