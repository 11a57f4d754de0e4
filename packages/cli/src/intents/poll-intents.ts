import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from '@writ/agent-sdk'
import { verifyService } from '@writ/authority'
import { isFault, type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { askBroker } from '../operator/ask-broker.ts'

const EVERY_MS = 1000
const PAGE = 50

/**
 * Everybody's statuses as they change, for operators, who have no live copy of them: the broker is asked each second for what changed since.
 * Starts with what changes from now on. Ends when `signal` aborts. While the broker does not answer it is asked on.
 */
export async function* pollIntents(
  session: Session,
  agentId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Status, void> {
  const said = new Map<string, number>()
  let after: string | undefined
  for (let first = true; !signal.aborted; ) {
    const args = {
      limit: PAGE,
      ...(after !== undefined && { after }),
      ...(agentId !== undefined && { agent_id: agentId }),
    }
    const page = await askBroker(session, 'intents', args).catch(ignoreUnavailable)
    for (const item of page?.items ?? []) {
      const opened = openMessage(statusMessage, item)
      const status = await session.withKeys(() => verifyService(session.authority, 'intent-gateway', opened).claims)
      if (status.n <= (said.get(status.intent_digest) ?? 0)) continue
      said.set(status.intent_digest, status.n)
      if (!first) yield status
    }
    if (page?.next !== undefined) {
      after = page.next
      continue
    }
    if (page !== undefined) first = false
    await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

function ignoreUnavailable(error: unknown): undefined {
  if (!isFault(error) || error.code !== 'unavailable') throw error
  return undefined
}
