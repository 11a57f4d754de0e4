import type { NewEvent } from '@writ/audit'
import type { Evaluator } from '@writ/policy'

/** The flushed bucket `uses`. Both may be retried; Fault `unavailable`: not known, so the caller grants nothing. */
export interface Uses {
  /** Once per key, over all replicas and for good. True: this call created it, and it is durable. False: the key has a value. */
  create(key: string, value: string): Promise<boolean>
  get(key: string): Promise<Uint8Array | undefined>
}

export interface AuditLog {
  /** Resolves when the events are durable, however late that is. Throws Fault `unavailable` when they are not taken. */
  record(events: readonly NewEvent[]): Promise<void>
  /** Resolves when the events are on this process's disk; they are durable later. Throws Fault `unavailable` when they are not. */
  keep(events: readonly NewEvent[]): Promise<void>
}

/** Policy bundles by the digest that a record names. Throws Fault `unavailable` when there is no such bundle, or it does not run. */
export interface Evaluators {
  get(bundleSha256: string): Promise<Pick<Evaluator, 'bundleSha256' | 'evaluate'>>
}

export interface IndexedToken {
  readonly tokenId: string
  readonly agentId: string
  readonly iat: number
  readonly token: string
}

export interface TokenPage {
  readonly items: string[]
  readonly next?: string
}

/**
 * What Redis is told, beside the work: to list tokens and to say some noes early. It is never asked for a yes, and nothing waits
 * long for it or fails with it.
 */
export interface TokenIndex {
  recordToken(token: IndexedToken): void
  recordUse(key: string, redeemDigest: string): void
  /** The digest of the redeem that is known to have spent a use. Undefined: not known here; never throws. */
  spentBy(key: string): Promise<string | undefined>
  /** Newest first. Throws Fault `unavailable` while Redis does not answer or is not filled, `malformed` for a bad `after`. */
  list(query: { agentId?: string; limit: number; after?: string }): Promise<TokenPage>
}

export interface Clock {
  nowSeconds(): number
  /** Of an arbitrary start; no step of the wall clock moves it. */
  monotonicMs(): number
}
