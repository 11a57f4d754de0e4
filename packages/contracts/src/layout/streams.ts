import { USES_KEPT_SECONDS } from '../limits.ts'
import { SERVICE_ROLES } from '../messages/common.ts'
import { ANY, bucketSubjects, REGISTRY_KINDS, SIGNER_KINDS, subjects } from './subjects.ts'

export const STREAMS = [
  'INTENTS',
  'OUTCOMES',
  'PLANS',
  'STATUS',
  'REPORTS',
  'ATTESTATIONS',
  'CONTROL',
  'SIGNERS',
  'REGISTRY',
  'POLICIES',
  'AUDIT',
  'AUDIT_EDGE',
  'KV_intents',
  'KV_uses',
  'KV_subject-keys',
] as const
export type StreamName = (typeof STREAMS)[number]

/** As JetStream's API takes it. Durations are nanoseconds, sizes bytes. File storage throughout. */
export interface StreamSettings {
  readonly name: StreamName
  readonly subjects: readonly string[]
  readonly retention: 'limits' | 'workqueue'
  readonly discard: 'old' | 'new'
  readonly discard_new_per_subject?: true
  readonly duplicate_window: number
  readonly allow_direct: true
  readonly max_bytes: number
  /** Body and headers. */
  readonly max_msg_size: number
  readonly max_age?: number
  readonly max_msgs_per_subject?: number
  readonly deny_delete?: true
  readonly deny_purge?: true
  readonly allow_msg_ttl?: true
  readonly allow_rollup_hdrs?: true
  readonly republish?: { readonly src: string; readonly dest: string; readonly headers_only?: true }
  /** Absent: flushed before it is acknowledged, under the server's `sync_interval: always`. Replicated streams refuse `async`. */
  readonly persist_mode?: 'async'
}

export interface ConsumerSettings {
  readonly stream: StreamName
  readonly durable_name: string
  readonly ack_policy: 'explicit'
  readonly ack_wait: number
  readonly max_deliver: -1
  readonly max_ack_pending: number
  readonly filter_subject?: string
  /** Deliveries without their bodies: for who reads these by direct get. */
  readonly headers_only?: true
}

const DAY = 86_400e9
const MIB = 2 ** 20

/** How large each may grow where configuration says nothing else. */
const BYTES_MAX: Readonly<Record<StreamName, number>> = {
  INTENTS: 1024 * MIB,
  OUTCOMES: 1024 * MIB,
  PLANS: 1024 * MIB,
  STATUS: 2048 * MIB,
  REPORTS: 512 * MIB,
  ATTESTATIONS: 512 * MIB,
  CONTROL: 256 * MIB,
  SIGNERS: 512 * MIB,
  REGISTRY: 1024 * MIB,
  POLICIES: 256 * MIB,
  AUDIT: 2048 * MIB,
  AUDIT_EDGE: 1024 * MIB,
  KV_intents: 8192 * MIB,
  KV_uses: 4096 * MIB,
  'KV_subject-keys': 256 * MIB,
}

/** The minimum: 0 means two minutes. Duplicates are recognised by signed content, never by `Nats-Msg-Id`. */
const common = { duplicate_window: 100e6, allow_direct: true, max_msg_size: 65_536 } as const
/** May lose its last moments in a power cut; senders repeat. */
const hot = { ...common, retention: 'limits', discard: 'old', persist_mode: 'async', max_age: 7 * DAY } as const
/** Flushed; refuses when full; forgets nothing by command. */
const ledger = { ...common, retention: 'limits', discard: 'new', deny_delete: true, deny_purge: true } as const
const last = { max_msgs_per_subject: 1 } as const
/** A value is a command, its cosigns and operators' records, every version kept. */
const record = { ...ledger, max_msg_size: 300_000 } as const

/** Bounded for each sender, so that none can fill it for the others. */
const queue = (perSenderMax: number) =>
  ({
    ...hot,
    retention: 'workqueue',
    discard: 'new',
    max_msgs_per_subject: perSenderMax,
    discard_new_per_subject: true,
  }) as const

/** Every stream of a region (NATS.md). `bytesMax` replaces the default `max_bytes` of the streams it names. */
export function streams(
  region: string,
  bytesMax: Readonly<Partial<Record<StreamName, number>>> = {},
): readonly StreamSettings[] {
  return [...queues(region), ...lastValues(region), ...ledgers(region), ...buckets(region)].map((stream) => ({
    ...stream,
    max_bytes: bytesMax[stream.name] ?? BYTES_MAX[stream.name],
  }))
}

type Unsized = Omit<StreamSettings, 'max_bytes'>

function queues(region: string): readonly Unsized[] {
  const at = subjects(region)
  return [
    { name: 'INTENTS', subjects: [at.intent(ANY)], ...queue(64), max_age: DAY },
    { name: 'OUTCOMES', subjects: [at.outcome(ANY)], ...queue(1024) },
    { name: 'PLANS', subjects: [at.plan(ANY)], ...queue(1024), max_age: 2 * DAY, max_msg_size: 300_000 },
  ]
}

/** Live copies leave as `stored.…` after the write: what a stream refused is never heard. */
function lastValues(region: string): readonly Unsized[] {
  const at = subjects(region)
  const announced = (src: string) => ({ republish: { src, dest: at.stored(src) } })
  return [
    { name: 'STATUS', subjects: [at.under('status')], ...hot, ...last, ...announced(at.under('status')) },
    { name: 'REPORTS', subjects: [at.report(ANY, ANY)], ...hot, ...last },
    {
      name: 'ATTESTATIONS',
      subjects: [at.attestation(ANY, ANY)],
      ...hot,
      ...last,
      ...announced(at.under('attestation')),
    },
  ]
}

function ledgers(region: string): readonly Unsized[] {
  const at = subjects(region)
  const announced = { republish: { src: at.under('registry'), dest: at.stored(at.under('registry')) } }
  return [
    {
      name: 'CONTROL',
      subjects: [at.controlAll, at.tick(ANY)],
      ...ledger,
      allow_msg_ttl: true,
      // In `dest`, `*` is written `{{wildcard(n)}}`.
      republish: { src: at.controlAll, dest: at.stored(at.controlAll).replace('*', '{{wildcard(1)}}') },
    },
    // SIGNERS is what everybody checks signatures with; REGISTRY is for services and operators.
    { name: 'SIGNERS', subjects: SIGNER_KINDS.map((kind) => at.registry(kind, ANY)), ...record, ...announced },
    { name: 'REGISTRY', subjects: REGISTRY_KINDS.map((kind) => at.registry(kind, ANY)), ...record, ...announced },
    // Content-addressed: the first under a digest stays. 900 KiB and its headers.
    {
      name: 'POLICIES',
      subjects: [at.bundle(ANY)],
      ...ledger,
      ...last,
      discard_new_per_subject: true,
      max_msg_size: 904 * 1024,
    },
    {
      name: 'AUDIT',
      subjects: SERVICE_ROLES.map((role) => at.audit(role, ANY, ANY)),
      ...ledger,
      retention: 'workqueue',
    },
    // Bounded for each gateway's boot, so that none fills it for the others.
    {
      name: 'AUDIT_EDGE',
      subjects: [at.audit('gateway', ANY, ANY)],
      ...ledger,
      retention: 'workqueue',
      max_msgs_per_subject: 4096,
      discard_new_per_subject: true,
    },
  ]
}

function buckets(region: string): readonly Unsized[] {
  const intents = bucketSubjects('intents')
  return [
    {
      name: 'KV_intents',
      subjects: [intents],
      ...ledger,
      ...last,
      max_age: 4 * DAY,
      // Only a reason to read: which key, and its revision.
      republish: { src: intents, dest: subjects(region).storedIntents, headers_only: true },
    },
    { name: 'KV_uses', subjects: [bucketSubjects('uses')], ...ledger, ...last, max_age: USES_KEPT_SECONDS * 1e9 },
    // The one from which a value can be purged: destroying a subject's key erases their documents. A purge is a rollup.
    {
      name: 'KV_subject-keys',
      subjects: [bucketSubjects('subject-keys')],
      ...common,
      ...last,
      retention: 'limits',
      discard: 'new',
      deny_delete: true,
      allow_rollup_hdrs: true,
    },
  ]
}

const durable = (stream: StreamName, durable_name: string, max_ack_pending: number, ack_wait = 30e9) =>
  ({ stream, durable_name, ack_policy: 'explicit', ack_wait, max_deliver: -1, max_ack_pending }) as const

/** Made with the streams: nobody at run time may create a consumer. */
export const CONSUMERS: readonly ConsumerSettings[] = [
  durable('INTENTS', 'intent-gateway', 1000),
  durable('OUTCOMES', 'intent-gateway', 1000),
  { ...durable('AUDIT', 'audit-sink', 4096, 5e9), headers_only: true },
  { ...durable('AUDIT_EDGE', 'audit-sink', 4096, 5e9), headers_only: true },
]

/** The durable that a gateway pulls its plans from. */
export function gatewayConsumerName(gatewayId: string): string {
  return `gateway-${gatewayId}`
}

/** Made at enrolment, together with the gateway's credentials. */
export function gatewayConsumer(region: string, gatewayId: string): ConsumerSettings {
  return {
    ...durable('PLANS', gatewayConsumerName(gatewayId), 64),
    filter_subject: subjects(region).plan(gatewayId),
  }
}
