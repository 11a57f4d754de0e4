import type { JsonObject, Sealed, ServiceRole } from '@writ/contracts'
import type { JournalOptions } from '@writ/durable'
import type { Signer } from '@writ/keys'
import type { Clock } from './clock.ts'

export interface AuditSourceOptions {
  /** Where outboxes are kept; its lock is held by this process (`lockDirectory`). */
  readonly dir: string
  readonly region: string
  /** A service role, or `gateway`. */
  readonly role: ServiceRole | 'gateway'
  /** The service instance, or the gateway_id. */
  readonly instance: string
  /** A name for this run of the process that no earlier one had. */
  readonly boot: string
  /** The key that the endorsement names; a gateway's registered key. */
  readonly signer: Signer
  /** The anchor's `writ-key+jwt` about the signer; gateways have none. */
  readonly endorsement?: string
  /** What else `source.started` says in its `detail`: ids, numbers and digests. */
  readonly started?: JsonObject
  /**
   * Resolves when the flushed stream has acknowledged the message (check the PubAck's stream). Any rejection means: not known to
   * be stored; the same bytes are published again.
   */
  readonly publish: (subject: string, bytes: Uint8Array) => Promise<void>
  /** Checks a `sealed` message whole (form, signature, role, age) and returns its claims, or throws. */
  readonly verifySealed: (body: Uint8Array) => Sealed | Promise<Sealed>
  /** Throws unless the signed note carries a valid signature of the region's log key. */
  readonly verifyCheckpoint: (note: string) => void | Promise<void>
  /** Tells the log file of what goes on by itself and an operator should know. */
  readonly report: (problem: string, cause?: unknown) => void
  /** Silence after which a heartbeat is recorded; 60 s unless told otherwise, 15 min for gateways. */
  readonly heartbeatMs?: number
  /** What all outboxes together may hold; 64 MiB unless told otherwise. `record` stops at three quarters of it. */
  readonly outboxBytesMax?: number
  readonly clock?: Clock
  readonly random?: (bytes: number) => Uint8Array
  /** For tests of failing disks. */
  readonly journal?: Pick<JournalOptions, 'wrapFile'>
}

export interface AuditSourceStats {
  /** Events that no message holds yet. */
  readonly waiting: number
  /** Messages that the stream has not acknowledged. */
  readonly unsent: number
  /** Messages, and their bytes, that no signed checkpoint covers yet. */
  readonly uncovered: number
  readonly uncoveredBytes: number
  /** The last attempt to publish failed. */
  readonly away: boolean
}
