import { z } from 'zod'
import { REASON_CODES } from './codes.ts'
import { SERVICE_BYTES_MAX } from './limits.ts'
import { Compact, Id, Sha256, Text } from './messages/common.ts'

/**
 * What services ask of one another (`rpc.>`): internal, unsigned JSON around signed messages. Nothing in here is authority:
 * each side verifies the signed messages itself.
 */
export interface Rpc<Req extends z.ZodType = z.ZodType, Rep extends z.ZodType = z.ZodType> {
  /** Subject behind `writ.v1.<r>.` */
  readonly subject: 'rpc.policy.decide' | 'rpc.token.issue' | 'rpc.token.close' | 'rpc.token.ended' | 'rpc.token.list'
  readonly request: Req
  readonly reply: Rep
  readonly bytesMax: number
  readonly timeoutMs: number
}

function defineRpc<Req extends z.ZodType, Rep extends z.ZodType>(
  subject: Rpc['subject'],
  timeoutMs: number,
  request: Req,
  reply: Rep,
): Rpc<Req, Rep> {
  return Object.freeze({ subject, request, reply, bytesMax: SERVICE_BYTES_MAX, timeoutMs })
}

const No = z.strictObject({
  ok: z.literal(false),
  code: z.enum(REASON_CODES),
  message: Text,
  /** The intent must be decided again: policy, records or time moved on between the two deciders. */
  again: z.boolean().exactOptional(),
})
const reply = <S extends z.ZodRawShape>(yes: S) =>
  z.discriminatedUnion('ok', [z.strictObject({ ok: z.literal(true), ...yes }), No])

/** policy-evaluator decides about an intent. `reports`: the exact reports that the decision names. */
export const decideRpc = defineRpc(
  'rpc.policy.decide',
  2000,
  z.strictObject({
    intent: Compact,
    first: Sha256.exactOptional(),
    shown: Sha256.exactOptional(),
    approvals: z.array(Compact),
    attestations: z.array(Compact),
  }),
  reply({ decision: Compact, reports: z.array(Compact) }),
)

/** token-issuer decides again and mints the one token of an intent and gateway, or returns the one it minted. */
export const issueRpc = defineRpc(
  'rpc.token.issue',
  3000,
  z.strictObject({
    gateway_id: Id,
    intent: Compact,
    decision: Compact,
    earlier: z.array(Compact),
    approvals: z.array(Compact),
    attestations: z.array(Compact),
    reports: z.array(Compact),
  }),
  reply({ token: Compact }),
)

/**
 * token-issuer claims what is left of an intent's uses, so that nothing more of it is redeemed: on the agent's cancel (which it
 * verifies), after the token's `exp`, or when its own control state says revoked. A plan without a token gets none any more.
 */
export const closeRpc = defineRpc(
  'rpc.token.close',
  3000,
  z.strictObject({
    intent: Compact,
    gateways: z.array(Id).min(1),
    why: z.enum(['cancelled', 'expired', 'revoked']),
    cancel: Compact.exactOptional(),
  }),
  reply({
    plans: z.array(
      z.strictObject({
        plan_id: Id,
        gateway_id: Id,
        /** Uses of a step that were redeemed before; 0: none, and none will be. */
        steps: z.array(z.strictObject({ step_id: Id, redeemed: z.int().min(0) })),
      }),
    ),
  }),
)

/** An outcome that ended a try without effect (`refused` with `too_late` or `interrupted`): the next use may be claimed. */
export const endedRpc = defineRpc('rpc.token.ended', 2000, z.strictObject({ outcome: Compact }), reply({}))

/** Tokens from Redis, newest first; `unavailable` while Redis does not answer. */
export const listRpc = defineRpc(
  'rpc.token.list',
  2000,
  z.strictObject({
    agent_id: Id.exactOptional(),
    limit: z.int().min(1).max(1000),
    after: z.string().max(256).exactOptional(),
  }),
  reply({ items: z.array(Compact), next: z.string().exactOptional() }),
)

export const RPCS: readonly Rpc[] = [decideRpc, issueRpc, closeRpc, endedRpc, listRpc]
