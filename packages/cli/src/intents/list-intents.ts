import type { Session } from '@writ/agent-sdk'
import { verifyService } from '@writ/authority'
import { type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { readRecords } from '../identities/kinds.ts'
import { everyItem } from '../operator/ask-broker.ts'
import { AGENTS_MAX } from './whose-intents.ts'

export interface ListedIntent {
  /** Absent where the broker was asked about everybody: a status does not say whose it is. */
  readonly agent_id?: string
  readonly status: Status
}

export interface ListedIntents {
  /** The one that changed last first. */
  readonly items: readonly ListedIntent[]
  readonly asked: {
    /** How many agents' intents these are, also of agents that were removed. */
    readonly agents: number
    /** False where there were too many to be asked about one by one: then `agent_id` is absent. */
    readonly agents_known: boolean
  }
}

/** Latest statuses, all of them, verified as the broker's. An agent hears of its own intents, an operator of everybody's. */
export async function listIntents(
  session: Session,
  agentId: string | undefined,
  agentsMax: number = AGENTS_MAX,
): Promise<ListedIntents> {
  const agents = await agentsAsked(session, agentId)
  const oneByOne = agents.length <= agentsMax
  const found: ListedIntent[] = []
  for (const agent of oneByOne ? agents : [undefined]) {
    for await (const status of statusesOf(session, agent))
      found.push({ ...(agent !== undefined && { agent_id: agent }), status })
  }
  const items = found.sort((a, b) => b.status.iat - a.status.iat)
  return { items, asked: { agents: agents.length, agents_known: oneByOne } }
}

async function agentsAsked(session: Session, agentId: string | undefined): Promise<readonly string[]> {
  if (session.kind === 'agent') return [session.id]
  if (agentId !== undefined) return [agentId]
  await readRecords(session)
  return session.authority.trust.ids('agent')
}

/** The broker answers in the order of the last change, so all of it is read for the end of it. */
async function* statusesOf(session: Session, agentId: string | undefined): AsyncGenerator<Status, void> {
  const args = agentId === undefined || session.kind === 'agent' ? {} : { agent_id: agentId }
  for await (const item of everyItem(session, 'intents', args, Infinity)) {
    const opened = openMessage(statusMessage, item)
    yield await session.withKeys(() => verifyService(session.authority, 'intent-gateway', opened).claims)
  }
}
