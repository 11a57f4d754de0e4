import { z } from 'zod'
import { DOCUMENT_BYTES_MAX, ENDORSEMENT_SECONDS_MAX, SERVICE_BYTES_MAX } from '../limits.ts'
import { ActionName, expiring, Id, PublicJwk, ServiceRoleName, Sha256, Text, User } from './common.ts'
import { defineMessage } from './define.ts'

const Keys = z
  .array(PublicJwk)
  .min(1)
  .max(8)
  .refine((keys) => new Set(keys.map((key) => JSON.stringify(key))).size === keys.length, 'no duplicates')
const Names = z.array(z.string().min(1).max(64)).max(256)
const Group = Id
const Jurisdiction = Id

/** Ceiling of an agent: policy can only narrow it. No wildcards. */
export const AgentRecord = z.strictObject({
  keys: Keys,
  users: z.array(User).min(1).max(256),
  actions: z.array(ActionName).max(256),
  groups: z.array(Group).max(256),
  unfinished_max: z.int().min(1).max(100_000).exactOptional(),
  per_minute_max: z.int().min(1).max(1_000_000).exactOptional(),
})
export type AgentRecord = z.output<typeof AgentRecord>

export const Floor = z.strictObject({
  approvals: z.strictObject({ count: z.int().min(1).max(16), roles: Names.min(1) }).exactOptional(),
  attestation: z
    .strictObject({ profile: z.string().min(1).max(128), max_age_s: z.int().min(1).max(86_400) })
    .exactOptional(),
})
export type Floor = z.output<typeof Floor>

/** What a device can do, and what its actions need whatever policy says. */
export const DeviceRecord = z.strictObject({
  gateway_id: Id.exactOptional(),
  group: Group,
  jurisdiction: Jurisdiction,
  actions: z.array(ActionName).max(256),
  floors: z.record(ActionName, Floor).exactOptional(),
})
export type DeviceRecord = z.output<typeof DeviceRecord>

export const GatewayRecord = z.strictObject({ keys: Keys, jurisdiction: Jurisdiction })
export type GatewayRecord = z.output<typeof GatewayRecord>

export const ApproverRecord = z.strictObject({ keys: Keys, user: User, roles: Names })
export type ApproverRecord = z.output<typeof ApproverRecord>

export const OperatorRecord = z.strictObject({ keys: Keys, user: User })
export type OperatorRecord = z.output<typeof OperatorRecord>

export const PolicyRecord = z.strictObject({ bundle_sha256: Sha256, revision: z.string().min(1).max(128) })
export type PolicyRecord = z.output<typeof PolicyRecord>

/** A person without a name: `u-` and the 22 characters of their pseudonym. Records are never forgotten. */
export const SubjectId = z.string().regex(/^u-[A-Za-z0-9_-]{22}$/)

/** What was sealed about the person is erased: the keys that were made before this version are destroyed. */
export const SubjectRecord = z.strictObject({ erased: z.literal(true) })
export type SubjectRecord = z.output<typeof SubjectRecord>

/** Schemas of the record of each kind that a command files. */
export const RECORDS = {
  agent: AgentRecord,
  device: DeviceRecord,
  gateway: GatewayRecord,
  approver: ApproverRecord,
  operator: OperatorRecord,
  policy: PolicyRecord,
  subject: SubjectRecord,
} as const
export type RecordKind = keyof typeof RECORDS
export const RECORD_KINDS: readonly RecordKind[] = [
  'agent',
  'device',
  'gateway',
  'approver',
  'operator',
  'policy',
  'subject',
]
/** Kinds that need a second operator's signature whatever the enrolment package says. */
export const ALWAYS_TWO_PERSON: readonly RecordKind[] = ['subject']
export type RecordOf<K extends RecordKind> = z.output<(typeof RECORDS)[K]>

const command = { ...expiring, jti: Id, id: Id, version: z.int().min(1), reason: Text }
const filing = <K extends RecordKind>(kind: K) =>
  z.strictObject({ ...command, kind: z.literal(kind), record: RECORDS[kind].nullable() })

export const commandMessage = defineMessage({
  typ: 'writ-command+jwt',
  signers: ['operator'],
  bytesMax: DOCUMENT_BYTES_MAX,
  lifetimeSecondsMax: 300,
  schema: z.discriminatedUnion('kind', [
    filing('agent'),
    filing('device'),
    filing('gateway'),
    filing('approver'),
    filing('operator'),
    filing('policy'),
    // What is destroyed stays so: there is no removal.
    z.strictObject({ ...command, id: SubjectId, kind: z.literal('subject'), record: SubjectRecord }),
  ]),
})
export type Command = z.output<typeof commandMessage.schema>

/** Another operator's signature under a command; up to three follow it as lines of their own. */
export const cosignMessage = defineMessage({
  typ: 'writ-cosign+jwt',
  signers: ['operator'],
  bytesMax: DOCUMENT_BYTES_MAX,
  lifetimeSecondsMax: 300,
  schema: z.strictObject({ ...expiring, command_digest: Sha256 }),
})
export type Cosign = z.output<typeof cosignMessage.schema>
/** A command and at most this many cosigns. */
export const COSIGNS_MAX = 3

export const keyMessage = defineMessage({
  typ: 'writ-key+jwt',
  signers: ['anchor'],
  bytesMax: SERVICE_BYTES_MAX,
  lifetimeSecondsMax: ENDORSEMENT_SECONDS_MAX,
  schema: z.object({ ...expiring, role: ServiceRoleName, kid: Sha256, jwk: PublicJwk, instance: Id, boot: Id }),
})
export type KeyEndorsement = z.output<typeof keyMessage.schema>
