import type { Session } from '@writ/agent-sdk'
import { verifyService } from '@writ/authority'
import { type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { readRecords } from '../identities/kinds.ts'
import { everyItem } from '../operator/ask-broker.ts'

export interface ListedIntent {
  /** Absent where the broker was asked about everybody: a status does not say whose it is. */
  readonly agent_id?: string
  readonly status: Status
}

/** Beyond this many agents they are not asked about one by one. */
const AGENTS_MAX = 100

/** Latest statuses, verified as the broker's, the one said last first. An agent hears of its own intents, an operator of everybody's. */
export async function listIntents(
  session: Session,
  agentId: string | undefined,
  intentsMax: number,
): Promise<readonly ListedIntent[]> {
  const agents = await agentsAsked(session, agentId)
  const found: ListedIntent[] = []
  for (const agent of agents) {
    for await (const status of statusesOf(session, agent))
      found.push({ ...(agent !== undefined && { agent_id: agent }), status })
  }
  return found.sort((a, b) => b.status.iat - a.status.iat).slice(0, intentsMax)
}

async function agentsAsked(session: Session, agentId: string | undefined): Promise<readonly (string | undefined)[]> {
  if (session.kind === 'agent') return [session.id]
  if (agentId !== undefined) return [agentId]
  await readRecords(session)
  const agents = session.authority.trust.ids('agent')
  return agents.length > AGENTS_MAX ? [undefined] : agents
}

/** The broker answers in the order of the last change, so all of it is read for the end of it. */
async function* statusesOf(session: Session, agentId: string | undefined): AsyncGenerator<Status, void> {
  const args = agentId === undefined || session.kind === 'agent' ? {} : { agent_id: agentId }
  for await (const item of everyItem(session, 'intents', args, Infinity)) {
    const opened = openMessage(statusMessage, item)
    yield await session.withKeys(() => verifyService(session.authority, 'intent-gateway', opened).claims)
  }
}
