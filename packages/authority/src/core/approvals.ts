import {
  APPROVAL_SECONDS_MAX,
  type approvalMessage,
  type decisionMessage,
  Fault,
  type Floor,
  type Obligations,
} from '@writ/contracts'
import { checkAudience, jsonSha256 } from '@writ/keys'
import type { FiledRecord } from './filed-record.ts'
import type { Verified } from './verify.ts'

/** An approval whose signature is by a key of the approver's record. */
export interface SignedApproval {
  readonly approval: Verified<typeof approvalMessage>
  readonly approver: FiledRecord<'approver'>
}

interface About {
  readonly intentDigest: string
  /** The user on whose behalf the intent is: never an approver of it. */
  readonly onBehalfOf: string
  readonly shown: Verified<typeof decisionMessage>
  readonly audience: string
}

/** Roles whose approval an intent needs: by policy, and by the floors of its devices. */
export interface ApprovalDemand {
  readonly count: number
  readonly roles: readonly string[]
}

export function approvalDemands(obligations: Obligations, floors: readonly Floor[]): readonly ApprovalDemand[] {
  return [obligations.approvals, ...floors.map(({ approvals }) => approvals)].filter((demand) => demand !== undefined)
}

/**
 * One approval: role, user, digests, times, verdict (CONTRACT section 6). Times are compared with the decision that was shown
 * and, where it is there, with the final decision's `iat`.
 * Throws Fault `wrong_audience`, `lifetime_too_long`, `not_an_approver`, `self_approval`, `chain_broken`, `approval_expired`, `approval_rejected`.
 */
export function checkApproval(
  { approval, approver }: SignedApproval,
  about: About,
  demands: readonly ApprovalDemand[],
  finalIat?: number,
): void {
  const { claims } = approval
  checkAudience(claims, about.audience)
  if (claims.exp - claims.iat > APPROVAL_SECONDS_MAX)
    throw new Fault('lifetime_too_long', { message: 'The approval lives too long.' })
  if (!demands.some(({ roles }) => roles.some((role) => approver.record.roles.includes(role)))) {
    throw new Fault('not_an_approver', { message: 'The approver has none of the roles that may approve this.' })
  }
  if (approver.record.user === about.onBehalfOf) {
    throw new Fault('self_approval', { message: 'Nobody approves what is done on their own behalf.' })
  }
  if (claims.intent_digest !== about.intentDigest || claims.decision_digest !== about.shown.jws.digest) {
    throw new Fault('chain_broken', { message: 'The approval is about another intent or another decision.' })
  }
  const { iat, exp } = about.shown.claims
  if (claims.iat < iat - 5 || claims.iat >= exp || (finalIat !== undefined && finalIat >= claims.exp)) {
    throw new Fault('approval_expired', { message: 'The approval was not given or not used in time.' })
  }
  if (claims.verdict === 'reject') throw new Fault('approval_rejected', { message: 'An approver rejected the intent.' })
}

/** Throws Fault `approval_required` unless distinct users with the roles meet every demand. Approvals count once per user. */
export function checkApprovalCount(approvals: readonly SignedApproval[], demands: readonly ApprovalDemand[]): void {
  for (const { count, roles } of demands) {
    const users = approvals
      .filter(({ approver }) => roles.some((role) => approver.record.roles.includes(role)))
      .map(({ approver }) => approver.record.user)
    if (new Set(users).size < count)
      throw new Fault('approval_required', { message: `It needs ${count} approvals that it does not have.` })
  }
}

/** Throws Fault `approval_required` when the final obligations are not those that the approvers saw. */
export function checkSameObligations(shown: Obligations, final: Obligations): void {
  if (jsonSha256(shown) !== jsonSha256(final)) {
    throw new Fault('approval_required', { message: 'The obligations are other than those that were approved.' })
  }
}
