import { auditEvent, type NewEvent } from '@writ/audit'
import { type Authority, checkEnvelope, type Verified, verifyService, verifyToken } from '@writ/authority'
import { Fault, type Reason, type Rev, reasonOf, redeemMessage, tokenMessage } from '@writ/contracts'
import { digestOf, openMessage } from '@writ/keys'
import { checkRedeem } from '../core/check-redeem.ts'
import type { Freshness } from '../core/freshness.ts'
import type { RecentRedeems } from '../core/recent-redeems.ts'
import { touchedByToken } from '../core/touched.ts'
import {
  closedReason,
  endedKey,
  formatValue,
  type Minted,
  parseTokenValue,
  parseUseId,
  parseUseValue,
  tokenKey,
  type Use,
  useKey,
} from '../core/uses.ts'
import { withSigners } from '../core/with-signers.ts'
import type { AuditLog, Clock, TokenIndex, Uses } from '../ports.ts'

export interface ClaimUseDeps {
  readonly authority: Authority
  readonly uses: Uses
  readonly audit: AuditLog
  readonly index: TokenIndex
  readonly freshness: Freshness
  readonly recent: RecentRedeems
  readonly clock: Clock
  readonly auditTimeoutMs: number
  /** The control message applied last. Throws Fault `unavailable` while CONTROL cannot be relied on. */
  readonly rev: () => Rev
  readonly readSigners: () => Promise<void>
}

/** A redeem whose signature is its gateway's. */
export type SignedRedeem = Verified<typeof redeemMessage>

/** A use that this very redeem has claimed, durably recorded. */
export interface Granted {
  readonly use: Use
  readonly token: Verified<typeof tokenMessage>
}

interface Found {
  readonly use: Use
  readonly key: string
  readonly claimed: Uint8Array | undefined
  readonly kept: Uint8Array | undefined
}

/**
 * Claims the use that a redeem names, in this order: checks, claim (create-if-absent, flushed), audit record (durable). What
 * fails between two of them is completed by the same bytes again: they find their own claim. Throws the Fault of the first row of
 * CONTRACT section 6 that fails.
 */
export async function claimUse(deps: ClaimUseDeps, signed: SignedRedeem): Promise<Granted> {
  const { digest } = signed.jws
  const before = deps.recent.refusalOf(digest)
  if (before !== undefined) throw refused(before)
  const use = parseUseId(signed.claims.use_id)
  const key = useKey(use.planId, use.stepId, use.n)
  const [spentBy, claimed, kept] = await Promise.all([
    deps.index.spentBy(key),
    deps.uses.get(key),
    deps.uses.get(tokenKey(use.planId)),
  ])
  const spent = spentBy !== undefined && spentBy !== digest
  const found = { use, key, claimed, kept }
  deps.freshness.assert()
  void deps.rev()
  // These bytes have claimed the use before; whether that was recorded and answered is not known.
  if (isClaimOf(claimed, digest)) {
    const token = await withSigners(deps.readSigners, () => tokenOf(deps.authority, kept))
    return await recorded(deps, signed, { use, token })
  }
  checkEnvelope(deps.authority, signed, deps.clock.nowSeconds())
  try {
    deps.recent.take(signed.claims.iss, signed.claims.jti, digest)
    if (spent) throw refused(SPENT)
    return await firstClaim(deps, signed, found)
  } catch (error) {
    deps.recent.refused(digest, reasonOf(error))
    throw error
  }
}

async function firstClaim(deps: ClaimUseDeps, signed: SignedRedeem, found: Found): Promise<Granted> {
  const { use, key, claimed, kept } = found
  const { digest, kid } = signed.jws
  if (claimed !== undefined) throw lost(claimed)
  const minted = openMinted(kept)
  if (digestOf(minted.token) !== signed.claims.token_digest) throw refused(UNKNOWN)
  const token = await withSigners(deps.readSigners, () =>
    verifyToken(deps.authority, minted.token, signed.claims.iss, deps.clock.nowSeconds()),
  )
  checkRedeem(signed.claims, kid, use, token.claims, minted)
  if (use.n > 1 && (await deps.uses.get(endedKey(use.planId, use.stepId, use.n - 1))) === undefined) {
    // Outcomes come by another way than redeems: it may be on its way here.
    throw new Fault('unavailable', {
      message: 'It is not known here that the use before this one ended without effect.',
    })
  }
  const refusal = deps.authority.control.tokenRefusal(
    token.claims.rev,
    touchedByToken(deps.authority, token.claims, minted),
  )
  if (refusal !== undefined) throw refused(refusal)
  deps.freshness.assert()
  if (!(await deps.uses.create(key, formatValue({ redeem: digest })))) {
    const winner = await deps.uses.get(key)
    if (winner === undefined) throw new Fault('unavailable', { message: 'The use cannot be read now.' })
    if (!isClaimOf(winner, digest)) throw lost(winner)
  }
  deps.index.recordUse(key, digest)
  return await recorded(deps, signed, { use, token })
}

/** G4: durable before the answer. A repetition within this process is not recorded twice. */
async function recorded(deps: ClaimUseDeps, signed: SignedRedeem, granted: Granted): Promise<Granted> {
  const durable = deps.recent.record(signed.jws.digest, () => deps.audit.record([redeemedEvent(signed, granted)]))
  await durableWithin(deps.auditTimeoutMs, durable)
  return granted
}

/** The record goes on when nobody waits for it any more. */
async function durableWithin(timeoutMs: number, durable: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `The audit record was not durable within ${timeoutMs} ms.`
    timer = setTimeout(() => reject(new Fault('unavailable', { message })), timeoutMs)
  })
  await Promise.race([durable, late]).finally(() => clearTimeout(timer))
}

function redeemedEvent({ jws, claims }: SignedRedeem, { use, token }: Granted): NewEvent {
  return auditEvent('token.redeemed', {
    agent_id: token.claims.sub,
    gateway_id: claims.iss,
    intent_digest: token.claims.intent_digest,
    token_id: token.claims.jti,
    plan_id: use.planId,
    detail: { step_id: use.stepId, use: use.n, token_digest: token.jws.digest },
    documents: [{ typ: redeemMessage.typ, digest: jws.digest, jws: jws.compact }],
  })
}

function isClaimOf(value: Uint8Array | undefined, digest: string): boolean {
  if (value === undefined) return false
  const parsed = parseUseValue(value)
  return 'redeem' in parsed && parsed.redeem === digest
}

/** Why a use that somebody else has claimed is refused. */
function lost(value: Uint8Array): Fault {
  const parsed = parseUseValue(value)
  return refused('closed' in parsed ? closedReason(parsed) : SPENT)
}

/** Throws Fault `token_unknown`, or why the plan was closed before it had a token. */
function openMinted(kept: Uint8Array | undefined): Minted {
  if (kept === undefined) throw refused(UNKNOWN)
  const value = parseTokenValue(kept)
  if ('closed' in value) throw refused(closedReason(value))
  return value
}

/** A kept token, signed by an issuer; its times and audience are not looked at. */
function tokenOf(authority: Authority, kept: Uint8Array | undefined): Verified<typeof tokenMessage> {
  return verifyService(authority, 'token-issuer', openMessage(tokenMessage, openMinted(kept).token))
}

const SPENT: Reason = { code: 'token_spent', message: 'Another redeem has claimed this use.' }
const UNKNOWN: Reason = { code: 'token_unknown', message: 'No such token was issued for this plan.' }

function refused(reason: Reason): Fault {
  return new Fault(reason.code, reason)
}
