import type { NewEvent } from '@writ/audit'
import type { Authority } from '@writ/authority'
import type { IntentState, Message, OutcomeState, ReasonCode, Rpc } from '@writ/contracts'
import type { z } from 'zod'

export interface Clock {
  /** NumericDate. */
  nowSeconds(): number
}

/** Signs as this service. Throws Fault `unavailable` while the key may not sign: before its endorsement and `source.started` are durable. */
export type Sign = <M extends Message>(message: M, claims: z.input<M['schema']>) => Promise<string>

/** What operators have filed and withdrawn, as far as it is known here. */
export interface AuthorityView {
  readonly authority: Authority
  /** Kinds that need a second operator's signature. */
  readonly twoPerson: readonly string[]
  /** Reads SIGNERS, REGISTRY and CONTROL to their ends. Throws Fault `unavailable`. */
  readonly catchUp: () => Promise<void>
  /** For messages of other services: while `check` throws `unknown_key`, SIGNERS is read again, for up to 5 s. */
  waitForKey<T>(check: () => T): Promise<T>
  /** Throws Fault `unavailable` before genesis, and while CONTROL is withheld or cannot be read. */
  assertCurrent(): void
}

export interface AuditLog {
  /** Resolves when the events are durable, in the order of the calls. Throws Fault `unavailable`: whoever lets an effect wait for it must not proceed. */
  record(events: readonly NewEvent[], timeoutMs?: number): Promise<void>
  /** Kept, and durable later. Throws Fault `unavailable` when there is no room. */
  recordLater(events: readonly NewEvent[]): void
}

/** Asks another service. Throws Fault `unavailable` without an answer that fits; a no is a value. */
export type Ask = <Req extends z.ZodType, Rep extends z.ZodType>(
  rpc: Rpc<Req, Rep>,
  request: z.input<Req>,
) => Promise<z.output<Rep>>

/** Counts what nobody known has signed. */
export interface Refusals {
  count(id: string, code: ReasonCode): void
}

/**
 * The stages of an intent, in order; each is timed from the end of the one before. `wait`: from a decision to the next, so for people
 * or an attestation. `issue`: until the tokens are there. `dispatch`: until the record is durable and the plans are out. `begin`: until
 * the first word of a gateway that it has begun. `run`: until it is settled.
 */
export type Stage = 'decide' | 'wait' | 'issue' | 'dispatch' | 'begin' | 'run'

/** What this service counts, by closed sets of labels. `key` is of an intent's state, and no label. */
export interface Meter {
  state(state: IntentState): void
  refused(code: ReasonCode): void
  outcome(state: OutcomeState | 'late'): void
  accepted(key: string): void
  passed(key: string, stage: Stage): void
  finished(key: string, state: IntentState, code: ReasonCode | 'none'): void
}

export interface Log {
  warn(fields: object, message: string): void
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}
