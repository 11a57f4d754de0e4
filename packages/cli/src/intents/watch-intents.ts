import { isFinal, type Session } from '@writ/agent-sdk'
import { checkSubject, verifyParty, verifyService } from '@writ/authority'
import { isFault, type Outcome, outcomeMessage, REST, type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'

/** What became known of an intent: the broker's word, the broker's about one step, or a gateway's own about one step. */
export type WatchedEvent =
  | { readonly type: 'status'; readonly agent_id?: string; readonly status: Status }
  | {
      readonly type: 'step'
      readonly agent_id?: string
      readonly intent_id: string
      /** When the broker said so: NumericDate. */
      readonly iat: number
      readonly step: Status['steps'][number]
    }
  | {
      readonly type: 'outcome'
      readonly agent_id: string
      readonly intent_id: string
      readonly gateway_id: string
      readonly outcome: Outcome
    }

/** Announcements are looked up again this often: one may be lost where a reconnect falls between. */
const LOOK_AGAIN_MS = 2000

/**
 * An agent's intents as they move, each status and outcome once: read from STATUS and verified, never the live copy itself. With an intent's
 * id: what is known of it first, and the end when it is final. Ends when `signal` aborts.
 */
export async function* watchIntents(
  session: Session,
  intentId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<WatchedEvent, void> {
  const { bus, subjects, id } = session
  const seen = new Seen()
  const heard = new Set<string>(intentId === undefined ? [] : [intentId])
  let wake: () => void = () => undefined
  const listening = await bus.subscribe(subjects.status(id, REST), ({ subject }) => {
    const [, about] = subjects.idsOf('status', subject) ?? subjects.idsOf('stepStatus', subject) ?? []
    if (about === undefined || (intentId !== undefined && about !== intentId)) return
    heard.add(about)
    wake()
  })
  try {
    while (!signal.aborted) {
      const due = [...heard]
      if (intentId === undefined) heard.clear()
      for (const about of due) {
        for (const event of await news(session, about, seen)) {
          yield event
          if (intentId !== undefined && event.type === 'status' && isFinal(event.status)) return
        }
      }
      if (intentId === undefined && heard.size > 0) continue
      await pause(signal, (resume) => {
        wake = resume
      })
    }
  } finally {
    listening.unsubscribe()
  }
}

function pause(signal: AbortSignal, waken: (resume: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, LOOK_AGAIN_MS)
    signal.addEventListener('abort', done)
    waken(done)
  })
}

class Seen {
  readonly #said = new Map<string, number>()
  readonly #outcomes = new Set<string>()

  isNewer({ intent_digest, n }: Status): boolean {
    if (n <= (this.#said.get(intent_digest) ?? 0)) return false
    this.#said.set(intent_digest, n)
    return true
  }

  isNew(digest: string): boolean {
    const before = this.#outcomes.size
    return this.#outcomes.add(digest).size > before
  }
}

/** Outcomes before the status that rests on them. What does not verify is nobody's word, and is left out. */
async function news(session: Session, intentId: string, seen: Seen): Promise<readonly WatchedEvent[]> {
  const status = await believed(() => readStatus(session, intentId))
  if (status === undefined) return []
  const events: WatchedEvent[] = []
  for (const step of status.steps) {
    const found = await believed(() => readOutcome(session, status, step))
    if (found === undefined || !seen.isNew(found.digest)) continue
    const { gateway_id } = step
    events.push({ type: 'outcome', agent_id: session.id, intent_id: intentId, gateway_id, outcome: found.outcome })
  }
  if (seen.isNewer(status)) events.push({ type: 'status', agent_id: session.id, status })
  return events
}

async function believed<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

async function readStatus(session: Session, intentId: string): Promise<Status | undefined> {
  const { bus, subjects, id, authority, withKeys } = session
  const stored = await bus.last('STATUS', subjects.status(id, intentId))
  if (stored === undefined) return undefined
  const opened = openMessage(statusMessage, stored.data)
  if (opened.claims.intent_id !== intentId) return undefined
  return withKeys(() => verifyService(authority, 'intent-gateway', opened).claims)
}

async function readOutcome(
  session: Session,
  { intent_id, intent_digest }: Status,
  step: Status['steps'][number],
): Promise<{ readonly outcome: Outcome; readonly digest: string } | undefined> {
  const { bus, subjects, id, authority, withKeys } = session
  const stored = await bus.last('STATUS', subjects.status(id, intent_id, step.step_id))
  if (stored === undefined) return undefined
  const opened = openMessage(outcomeMessage, stored.data)
  checkSubject(opened, step.gateway_id)
  const { claims } = await withKeys(() => verifyParty(authority, 'gateway', opened))
  if (claims.intent_digest !== intent_digest || claims.step_id !== step.step_id) return undefined
  return { outcome: claims, digest: opened.jws.digest }
}
