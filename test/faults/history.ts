import type { Schedule } from './schedule.ts'

// What is known of a run afterwards, from recordings alone. Times are Unix milliseconds of the one machine's clock.

/** An intent that the bus acknowledged. */
export interface Asked {
  readonly id: string
  readonly digest: string
  /** Right before it was sent. */
  readonly at: number
}

/** A version of `policy/active`, and when its stream took it. */
export interface ActivePolicy {
  readonly version: number
  readonly bundle_sha256: string
  readonly at: number
}

/** A status as it was announced or is stored. */
export interface HeardStatus {
  readonly intent_id: string
  readonly intent_digest: string
  readonly n: number
  readonly state: string
  readonly codes: readonly string[]
  readonly steps: readonly { readonly step_id: string; readonly state: string; readonly code?: string }[]
}

/** A plan on its way to a gateway, each time. */
export interface HeardPlan {
  readonly plan_id: string
  readonly digest: string
  readonly gateway_id: string
  readonly intent_digest: string
  /** Of the bundle under which it was decided. */
  readonly bundle_sha256: string
  readonly at: number
}

/** An action that a device began: written by the device and flushed before it did anything. */
export interface Effect {
  readonly plan_id: string
  readonly step_id: string
  readonly intent_digest: string
  readonly device_id: string
  readonly action: string
  readonly at: number
}

/** An audit message in its stream. `stored`: `at` is the stream's own time; `heard`: it was sealed before it could be read there. */
export interface StoredAudit {
  readonly source: string
  readonly seq: number
  readonly digest: string
  readonly at: number
  readonly how: 'stored' | 'heard'
}

export interface LoggedEvent {
  readonly event_id: string
  readonly type: string
  /** What its source says, Unix milliseconds. */
  readonly at: number
  readonly intent_digest?: string
  readonly plan_id?: string
  readonly step_id?: string
  /** Of a redeem: which try. */
  readonly use?: number
  /** Of what intent-gateway says of an outcome: its digest. */
  readonly outcome?: string
  /** Of what was decided: the bundle. */
  readonly bundle_sha256?: string
  readonly codes: readonly string[]
}

/** A leaf of the log. */
export interface LoggedMessage {
  readonly index: number
  readonly source: string
  readonly seq: number
  readonly digest: string
  readonly events: readonly LoggedEvent[]
}

/** What should be none once everything has ended, by name. */
export interface Left {
  readonly what: string
  readonly count: number
}

export interface Usage {
  readonly process: string
  readonly what: 'rss_bytes' | 'descriptors' | 'files'
  readonly before: number
  readonly after: number
}

export interface History {
  readonly schedule: Schedule
  readonly policies: readonly ActivePolicy[]
  readonly asked: readonly Asked[]
  readonly statuses: readonly HeardStatus[]
  readonly plans: readonly HeardPlan[]
  readonly effects: readonly Effect[]
  readonly audit: readonly StoredAudit[]
  readonly log: readonly LoggedMessage[]
  readonly verified: { readonly ok: boolean; readonly waiting: number; readonly findings: readonly string[] }
  readonly left: readonly Left[]
  readonly usage: readonly Usage[]
}
