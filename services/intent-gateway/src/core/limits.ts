import { type AgentRecord, Fault } from '@writ/contracts'
import type { IntentIndex } from './intent-index.ts'

/** How many unfinished intents an agent may have whose record says nothing. */
export const UNFINISHED_MAX = 20

/** Throws Fault `rate_limited`. */
export function checkLimits(
  index: Pick<IntentIndex, 'unfinished' | 'lastMinute'>,
  agentId: string,
  { unfinished_max = UNFINISHED_MAX, per_minute_max = Number.POSITIVE_INFINITY }: AgentRecord,
  nowSeconds: number,
): void {
  if (index.unfinished(agentId) >= unfinished_max)
    throw new Fault('rate_limited', { message: `The agent has ${unfinished_max} unfinished intents.` })
  if (index.lastMinute(agentId, nowSeconds) >= per_minute_max)
    throw new Fault('rate_limited', { message: `The agent may publish ${per_minute_max} intents a minute.` })
}
