import { setTimeout as delay } from 'node:timers/promises'
import type { Session } from '@writ/agent-sdk'
import { verifyService } from '@writ/authority'
import { isFault, type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { askBroker } from '../operator/ask-broker.ts'
import type { WatchedEvent } from './watch-intents.ts'
import { AGENTS_MAX, whoseIntents } from './whose-intents.ts'

const EVERY_MS = 1000
const PAGE = 50

/**
 * Everybody's intents as they change, for operators, who have no live copy of them: the broker is asked each second for what changed since, so
 * what passes between two questions is not seen. Each status, and before it the steps whose state it tells anew, as the broker tells them.
 * Starts with what changes from now on. Ends when `signal` aborts. While the broker does not answer it is asked on.
 *
 * @param agentsMax with more agents than this it is not known whose an intent is, and `agent_id` is absent
 */
export async function* pollIntents(
  session: Session,
  signal: AbortSignal,
  agentsMax: number = AGENTS_MAX,
): AsyncGenerator<WatchedEvent, void> {
  const told = new Told()
  const owners = new Map<string, string>()
  let after: string | undefined
  for (let first = true; !signal.aborted; ) {
    const args = { limit: PAGE, ...(after !== undefined && { after }) }
    const page = await unlessUnavailable(askBroker(session, 'intents', args))
    const changes: Change[] = []
    for (const item of page?.items ?? []) {
      const opened = openMessage(statusMessage, item)
      const change = told.changeOf(
        await session.withKeys(() => verifyService(session.authority, 'intent-gateway', opened).claims),
      )
      if (change !== undefined && !first) changes.push(change)
    }
    const asked = new Set(changes.map(({ status }) => status.intent_digest).filter((digest) => !owners.has(digest)))
    if (asked.size > 0) {
      const found = await unlessUnavailable(whoseIntents(session, asked, after, agentsMax))
      for (const [digest, agent] of found ?? []) owners.set(digest, agent)
    }
    for (const change of changes) yield* eventsOf(change, owners.get(change.status.intent_digest))
    if (page?.next !== undefined) {
      after = page.next
      continue
    }
    if (page !== undefined) first = false
    await delay(EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

type Step = Status['steps'][number]

interface Change {
  readonly status: Status
  /** Whose state is another than was told before. */
  readonly steps: readonly Step[]
}

class Told {
  readonly #last = new Map<string, Status>()

  changeOf(status: Status): Change | undefined {
    const before = this.#last.get(status.intent_digest)
    if (before !== undefined && status.n <= before.n) return undefined
    this.#last.set(status.intent_digest, status)
    const stateBefore = ({ step_id }: Step): Step['state'] =>
      before?.steps.find((step) => step.step_id === step_id)?.state ?? 'waiting'
    return { status, steps: status.steps.filter((step) => step.state !== stateBefore(step)) }
  }
}

function* eventsOf({ status, steps }: Change, agentId: string | undefined): Generator<WatchedEvent, void> {
  const whose = agentId === undefined ? {} : { agent_id: agentId }
  const { intent_id, iat } = status
  for (const step of steps) yield { type: 'step', ...whose, intent_id, iat, step }
  yield { type: 'status', ...whose, status }
}

async function unlessUnavailable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (!isFault(error) || error.code !== 'unavailable') throw error
    return undefined
  }
}
