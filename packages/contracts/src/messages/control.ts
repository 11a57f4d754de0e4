import { z } from 'zod'
import { REQUEST_BYTES_MAX } from '../limits.ts'
import { base, Id, Sequence, ServiceRoleName, Sha256, StrictRev, Text, User } from './common.ts'
import { defineMessage } from './define.ts'

const control = { ...base, jti: Id, prev: Sequence, reason: Text }
const revoke = { ...control, command: z.literal('revoke'), quarantine: z.boolean().exactOptional() }
const byId = <S extends string>(scope: S) => z.strictObject({ ...revoke, scope: z.literal(scope), id: Id })

const Revoke = z.discriminatedUnion('scope', [
  z.strictObject({ ...revoke, scope: z.literal('all'), id: z.string().max(64).exactOptional() }),
  byId('agent'),
  byId('device'),
  byId('gateway'),
  byId('group'),
  byId('token'),
  z.strictObject({ ...revoke, scope: z.literal('user'), id: User }),
  z.strictObject({ ...revoke, scope: z.literal('intent'), id: Sha256 }),
  z.strictObject({ ...revoke, scope: z.literal('key'), id: Sha256 }),
  z.strictObject({ ...revoke, scope: z.literal('endorsements'), id: ServiceRoleName }),
])
export type Revoke = z.output<typeof Revoke>

export const REVOKE_SCOPES = [
  'all',
  'agent',
  'user',
  'device',
  'gateway',
  'group',
  'token',
  'intent',
  'key',
  'endorsements',
] as const
export type RevokeScope = (typeof REVOKE_SCOPES)[number]

const Lift = z.strictObject({ ...control, command: z.literal('lift'), lifts: Sequence })
const Genesis = z.strictObject({
  ...control,
  command: z.literal('genesis'),
  stream: Id,
  follows: StrictRev.exactOptional(),
})
export type Genesis = z.output<typeof Genesis>

export const controlMessage = defineMessage({
  typ: 'writ-control+jwt',
  signers: ['operator'],
  bytesMax: REQUEST_BYTES_MAX,
  schema: z.discriminatedUnion('command', [Revoke, Lift, Genesis]),
})
export type Control = z.output<typeof controlMessage.schema>
