import { Fault, Id, type Reason, type ReasonCode, Sha256, UseId } from '@writ/contracts'
import { z } from 'zod'

/**
 * Keys and values of the bucket `uses`. Whoever creates a key first wins, for good: a token, the use of a step, the end of a
 * use. Values are not signed: nothing in them grants what the token's own signature does not.
 */
export const tokenKey = (planId: string): string => `${planId}.token`
export const useKey = (planId: string, stepId: string, n: number): string => `${planId}.${stepId}.${n}`
export const endedKey = (planId: string, stepId: string, n: number): string => `${useKey(planId, stepId, n)}.ended`
/** Every token's key. */
export const isTokenKey = (key: string): boolean => /^[^.]+\.token$/.test(key)

export const CLOSE_REASONS = ['cancelled', 'expired', 'revoked'] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

/** The token as it was minted, and what of its chain a later redeem or revoke asks for and the token itself does not say. */
export interface Minted {
  readonly token: string
  readonly steps: readonly string[]
  /** The approvers'. */
  readonly users: readonly string[]
  /** Of whoever signed a link of the chain, by kid. */
  readonly keys: readonly string[]
}
/** Closed before anybody else came: there will be no token, or no such use. */
export interface Closed {
  readonly closed: CloseReason
}
/** A use claimed by the redeem of this digest. */
export interface Claimed {
  readonly redeem: string
}

const ClosedValue = z.strictObject({ closed: z.enum(CLOSE_REASONS) })
const TokenValue: z.ZodType<Minted | Closed> = z.union([
  z.strictObject({
    token: z.string().min(1),
    steps: z.array(Id).min(1),
    users: z.array(z.string()),
    keys: z.array(Sha256),
  }),
  ClosedValue,
])
const UseValue: z.ZodType<Claimed | Closed> = z.union([z.strictObject({ redeem: Sha256 }), ClosedValue])

export function formatValue(value: Minted | Closed | Claimed | { readonly outcome: string }): string {
  return JSON.stringify(value)
}

/** What `<plan_id>.token` holds. Throws Fault `unavailable` on anything that issuers do not write. */
export function parseTokenValue(bytes: Uint8Array): Minted | Closed {
  return parsed(TokenValue, bytes)
}

/** What `<plan_id>.<step_id>.<n>` holds. Throws Fault `unavailable` on anything that issuers do not write. */
export function parseUseValue(bytes: Uint8Array): Claimed | Closed {
  return parsed(UseValue, bytes)
}

function parsed<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (cause) {
    throw new Fault('unavailable', { message: 'A value of the bucket of uses cannot be read.', cause })
  }
}

export interface Use {
  readonly planId: string
  readonly stepId: string
  readonly n: number
}

/** Takes `<plan_id>/<step_id>/<n>` apart. Throws Fault `malformed`. */
export function parseUseId(useId: string): Use {
  const [planId, stepId, n] = UseId.safeParse(useId).success ? useId.split('/') : []
  if (planId === undefined || stepId === undefined || n === undefined)
    throw new Fault('malformed', { message: 'The use is not <plan_id>/<step_id>/<n>.' })
  return { planId, stepId, n: Number(n) }
}

const CODES: Readonly<Record<CloseReason, ReasonCode>> = {
  cancelled: 'cancelled',
  expired: 'token_expired',
  revoked: 'revoked',
}
const MESSAGES: Readonly<Record<CloseReason, string>> = {
  cancelled: 'The agent has cancelled the intent.',
  expired: 'The plan had expired before this use was redeemed.',
  revoked: 'An operator has revoked it.',
}

/** How what was closed is refused. */
export function closedReason({ closed }: Closed): Reason {
  return { code: CODES[closed], message: MESSAGES[closed] }
}
