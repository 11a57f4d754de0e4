import { planIdOf } from '@writ/authority'
import type { ChainEvent } from './chain-order.ts'
import type { Doubt, ReadEntry, ReadEvent } from './read-entry.ts'

/** An event of an intent that is verified, and who said it. */
export interface Believed {
  readonly read: ReadEvent
  /** A service's role, or `gateway`. */
  readonly role: string
}

/** What was durable when it happened has entered the log when services sign this much later. */
const SETTLED_AFTER_SECONDS = 60
/** How far ahead of the services' time a gateway's own time is believed. */
const AHEAD_SECONDS_MAX = 3600

/**
 * What is said of an intent by those whose word it is. A gateway's word is about the plan that was sent to it, and nothing else: an entry in which
 * it speaks of an intent otherwise gets a doubt, and nothing of it is believed. `untilSeconds`: the services' time at the end of the logs.
 */
export function believe(
  digest: string,
  events: readonly ChainEvent[],
  untilSeconds: number,
): { readonly events: readonly ChainEvent[]; readonly believed: readonly Believed[] } {
  const sentTo = plansOf(events)
  const doubts = new Map<ReadEntry, Doubt>()
  const early = new Set<ReadEvent>()
  for (const { entry, read } of events) {
    const [role, instance = ''] = sourceOf(entry)
    if (role !== 'gateway' || entry.doubts.length > 0) continue
    const { type, plan_id = '' } = read.event
    const own = type.startsWith('action.') && plan_id === planIdOf(digest, instance)
    if (own && sentTo.get(plan_id) === instance) continue
    const iat = entry.message?.iat ?? 0
    const settled = iat + SETTLED_AFTER_SECONDS <= untilSeconds || iat > untilSeconds + AHEAD_SECONDS_MAX
    // Sources write beside one another: the dispatch may enter the log a moment after what came of it.
    if (own && !sentTo.has(plan_id) && !settled) early.add(read)
    else doubts.set(entry, own ? notSent(type, plan_id) : notIts(type, instance))
  }
  const judged = new Map([...doubts].map(([entry, doubt]) => [entry, { ...entry, doubts: [doubt] }]))
  return {
    events: events.map(({ entry, read }) => ({ entry: judged.get(entry) ?? entry, read })),
    believed: events
      .filter(({ entry, read }) => entry.doubts.length === 0 && !judged.has(entry) && !early.has(read))
      .map(({ entry, read }) => ({ read, role: sourceOf(entry)[0] ?? '' })),
  }
}

/** Which gateway each plan went to. */
function plansOf(events: readonly ChainEvent[]): ReadonlyMap<string, string> {
  const sentTo = new Map<string, string>()
  for (const { entry, read } of events) {
    const { type, plan_id = '', gateway_id = '' } = read.event
    if (type === 'plan.dispatched' && entry.doubts.length === 0) sentTo.set(plan_id, gateway_id)
  }
  return sentTo
}

function notSent(type: string, planId: string): Doubt {
  return { verdict: 'evidence_missing', message: `${type} is about plan ${planId}, which was not dispatched.` }
}

function notIts(type: string, gatewayId: string): Doubt {
  return {
    verdict: 'out_of_role',
    message: `What gateway ${gatewayId} says in ${type} is about no plan of this intent that was sent to it.`,
  }
}

const sourceOf = ({ message }: ReadEntry): readonly string[] => message?.source.split('/') ?? []
