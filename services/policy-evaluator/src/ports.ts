import type { NewEvent } from '@writ/audit'
import type { Evaluator } from '@writ/policy'

/** What gateways last reported. Unverified. */
export interface Reports {
  /** Undefined: none is stored. Throws Fault `unavailable` when that cannot be known. */
  latest(gatewayId: string, deviceId: string): Promise<Uint8Array | undefined>
}

/** Policy bundles by the digest that a record names. Throws Fault `unavailable` when there is no such bundle, or it does not run. */
export interface Evaluators {
  get(bundleSha256: string): Promise<Pick<Evaluator, 'bundleSha256' | 'evaluate'>>
}

export interface AuditLog {
  /** Resolves when the events are on this process's disk; they are durable later. Throws Fault `unavailable` when they are not. */
  keep(events: readonly NewEvent[]): Promise<void>
}

export interface Clock {
  nowSeconds(): number
}
