import {
  type Authority,
  openApproval,
  recordsInForce,
  type SignedApproval,
  touchedByIntent,
  type Verified,
  type VerifiedIntent,
  verifyIntent,
  verifyService,
} from '@writ/authority'
import { attestationMessage, type decideRpc, Fault } from '@writ/contracts'
import { checkAudience, checkTimes, openMessage } from '@writ/keys'
import type { z } from 'zod'

export type DecideRequest = z.output<typeof decideRpc.request>

/** What a decision is about: the intent with its records, and what was handed in with it, all of it verified. */
export interface VerifiedRequest extends VerifiedIntent {
  readonly approvals: readonly SignedApproval[]
  readonly attestations: readonly Verified<typeof attestationMessage>[]
}

/**
 * Verifies a request with the records in force: the intent's signature and ceilings, who signed approvals and attestation results
 * and what they are about, and that no standing revoke names any of it. What they are worth is policy's to say.
 * Throws the Fault of the first row of CONTRACT section 6 that fails.
 */
export function verifyRequest(authority: Authority, request: DecideRequest, nowSeconds: number): VerifiedRequest {
  const records = recordsInForce(authority)
  const verified = verifyIntent(authority, request.intent, records)
  // Later decisions are about an intent that was in time for the first one.
  if (request.first === undefined) checkTimes(verified.intent.claims, nowSeconds)
  const approvals = request.approvals.map((body) => openApproval(body, records))
  checkNotRevoked(authority, verified, approvals)
  for (const approval of approvals) checkAbout(authority, approval, verified, request.shown, nowSeconds)
  const attestations = request.attestations.map((body) =>
    verifyService(authority, 'attestation-verifier', openMessage(attestationMessage, body)),
  )
  return { ...verified, approvals, attestations }
}

function checkNotRevoked(authority: Authority, verified: VerifiedIntent, approvals: readonly SignedApproval[]): void {
  const touched = touchedByIntent(verified)
  const refusal = authority.control.refusalOf({
    ...touched,
    users: [...(touched.users ?? []), ...approvals.map(({ approver }) => approver.record.user)],
    keys: [...(touched.keys ?? []), ...approvals.map(({ approval }) => approval.jws.kid)],
  })
  if (refusal !== undefined) throw new Fault(refusal.code, refusal)
}

function checkAbout(
  authority: Authority,
  { approval }: SignedApproval,
  { intent }: VerifiedIntent,
  shown: string | undefined,
  nowSeconds: number,
): void {
  const { claims } = approval
  checkAudience(claims, authority.audience)
  if (claims.intent_digest !== intent.jws.digest || claims.decision_digest !== shown) {
    throw new Fault('chain_broken', { message: 'The approval is about another intent or another decision.' })
  }
  if (nowSeconds >= claims.exp) throw new Fault('approval_expired', { message: 'The approval was not used in time.' })
}
