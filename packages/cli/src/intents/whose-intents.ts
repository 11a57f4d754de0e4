import type { Session } from '@writ/agent-sdk'
import { statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { readRecords } from '../identities/kinds.ts'
import { askBroker } from '../operator/ask-broker.ts'

/** Beyond this many agents they are not asked about one by one: it takes a question each, and a status does not say whose it is. */
export const AGENTS_MAX = 100

const PAGE = 50

/**
 * Whose intents these are, by digest: the broker is asked about each agent, removed ones too, what changed after a position. Of more agents than
 * `agentsMax`, nothing. Throws the Fault of a refusal.
 *
 * @param after `next` of an earlier page of everybody's intents: the intents in question changed after it
 */
export async function whoseIntents(
  session: Session,
  digests: ReadonlySet<string>,
  after: string | undefined,
  agentsMax: number,
): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>()
  await readRecords(session)
  const agents = session.authority.trust.ids('agent')
  if (agents.length > agentsMax) return owners
  for (const agent of agents) {
    for (let from = after; owners.size < digests.size; ) {
      const args = { limit: PAGE, agent_id: agent, ...(from !== undefined && { after: from }) }
      const { items, next } = await askBroker(session, 'intents', args)
      for (const item of items) {
        const { intent_digest } = openMessage(statusMessage, item).claims
        if (digests.has(intent_digest)) owners.set(intent_digest, agent)
      }
      if (next === undefined) break
      from = next
    }
  }
  return owners
}
