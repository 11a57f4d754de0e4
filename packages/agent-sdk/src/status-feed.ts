import { checkSubject, verifyParty, verifyService } from '@writ/authority'
import { Fault, type Outcome, outcomeMessage, REST, type Status, statusMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import type { Session } from './session.ts'

/** Announcements are looked up again this often: one may be lost where a reconnect falls between. */
const LOOK_AGAIN_MS = 2000

/** Remembers announcements from the moment it is made, so that none falls between a look and the wait for the next. */
export interface Watch {
  /** Resolves when something was announced since the last call, or after a while. Throws when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>
  close(): void
}

/**
 * Verified updates of one agent's intents, by intent id. The live copy is only the announcement of what STATUS keeps: what is
 * believed is read from the stream and verified.
 */
export class StatusFeed {
  readonly #session: Session
  readonly #listeners = new Map<string, Set<() => void>>()
  #unsubscribe: (() => void) | undefined

  constructor(session: Session) {
    this.#session = session
  }

  async open(): Promise<void> {
    const { bus, subjects, id } = this.#session
    const subscription = await bus.subscribe(subjects.status(id, REST), ({ subject }) => {
      const [, intentId] = subjects.idsOf('status', subject) ?? subjects.idsOf('stepStatus', subject) ?? []
      for (const wake of this.#listeners.get(intentId ?? '') ?? []) wake()
    })
    this.#unsubscribe = () => subscription.unsubscribe()
  }

  close(): void {
    this.#unsubscribe?.()
    for (const listeners of this.#listeners.values()) for (const wake of listeners) wake()
  }

  watch(intentIds: readonly string[]): Watch {
    let announced = false
    let wakeUp: (() => void) | undefined
    const wake = (): void => {
      announced = true
      wakeUp?.()
    }
    for (const intentId of intentIds) {
      const listeners = this.#listeners.get(intentId) ?? new Set()
      this.#listeners.set(intentId, listeners.add(wake))
    }
    return {
      async changed(signal) {
        signal.throwIfAborted()
        if (!announced) {
          await new Promise<void>((resolve) => {
            const done = (): void => {
              clearTimeout(timer)
              signal.removeEventListener('abort', done)
              resolve()
            }
            const timer = setTimeout(done, LOOK_AGAIN_MS)
            wakeUp = done
            signal.addEventListener('abort', done)
          })
        }
        announced = false
        signal.throwIfAborted()
      },
      close: () => {
        for (const intentId of intentIds) {
          const listeners = this.#listeners.get(intentId)
          listeners?.delete(wake)
          if (listeners?.size === 0) this.#listeners.delete(intentId)
        }
      },
    }
  }

  /** The last status of an intent that STATUS keeps; undefined: none yet. */
  async status(intentId: string): Promise<Status | undefined> {
    const { bus, subjects, id, authority, withKeys } = this.#session
    const stored = await bus.last('STATUS', subjects.status(id, intentId))
    if (stored === undefined) return undefined
    const opened = openMessage(statusMessage, stored.data)
    if (opened.claims.intent_id !== intentId)
      throw new Fault('chain_broken', { message: 'A status about another intent.' })
    await withKeys(() => verifyService(authority, 'intent-gateway', opened))
    return opened.claims
  }

  /** The gateway-signed outcome of a step, verified against the gateway that the status names; undefined: none yet. */
  async outcome(
    status: Status,
    stepId: string,
  ): Promise<{ readonly outcome: Outcome; readonly digest: string } | undefined> {
    const { bus, subjects, id, authority, withKeys } = this.#session
    const step = status.steps.find(({ step_id }) => step_id === stepId)
    const stored =
      step === undefined ? undefined : await bus.last('STATUS', subjects.status(id, status.intent_id, stepId))
    if (step === undefined || stored === undefined) return undefined
    const opened = openMessage(outcomeMessage, stored.data)
    checkSubject(opened, step.gateway_id)
    await withKeys(() => verifyParty(authority, 'gateway', opened))
    if (opened.claims.intent_digest !== status.intent_digest || opened.claims.step_id !== stepId) {
      throw new Fault('chain_broken', { message: 'An outcome of another intent or step.' })
    }
    return { outcome: opened.claims, digest: opened.jws.digest }
  }
}
