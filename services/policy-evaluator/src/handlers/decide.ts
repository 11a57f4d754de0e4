import { auditEvent, type NewEvent } from '@writ/audit'
import type { Authority, RoutedDevice, Verified } from '@writ/authority'
import {
  type Decision,
  type decideRpc,
  decisionMessage,
  type EventStatus,
  Fault,
  type Intent,
  type Rev,
  type reportMessage,
} from '@writ/contracts'
import { digestOf, type Signer, signMessage } from '@writ/keys'
import { caughtUp } from '@writ/service-kit'
import type { z } from 'zod'
import { decisionClaims } from '../core/decision-claims.ts'
import { verifyReport } from '../core/verify-report.ts'
import { type DecideRequest, verifyRequest } from '../core/verify-request.ts'
import type { AuditLog, Clock, Evaluators, Reports } from '../ports.ts'

export interface DecideDeps {
  readonly authority: Authority
  readonly signer: Signer
  readonly reports: Reports
  readonly evaluators: Evaluators
  readonly audit: AuditLog
  readonly clock: Clock
  /** Throws Fault `unavailable` while CONTROL cannot be relied on: what is revoked is not known then. */
  readonly rev: () => Rev
  /** Reads SIGNERS, REGISTRY and CONTROL to their ends. */
  readonly catchUp: () => Promise<void>
  /** Told of every decision, for the counter. */
  readonly decided: (decision: Decision) => void
}

type Reply = z.input<typeof decideRpc.reply>

/**
 * Decides about an intent under the policy record in force, and signs what it decided. A denial is a decision too; a Fault is a
 * no before policy was asked, or "could not decide".
 */
export function decide(deps: DecideDeps): (request: DecideRequest) => Promise<Reply> {
  const { authority } = deps
  return async (request) => {
    const nowSeconds = deps.clock.nowSeconds()
    const verified = await caughtUp(deps.catchUp, () => {
      deps.rev()
      return verifyRequest(authority, request, nowSeconds)
    })
    const policy = authority.trust.record('policy', 'active')
    if (policy === undefined) throw new Fault('unavailable', { message: 'No policy is active.' })
    const [evaluator, reports] = await Promise.all([
      deps.evaluators.get(policy.record.bundle_sha256),
      latestReports(deps, verified.devices),
    ])
    const claims = decisionClaims(verified, {
      region: authority.region,
      audience: authority.audience,
      policy,
      evaluator,
      reports,
      nowSeconds,
      ...(request.first !== undefined && { first: request.first }),
      ...(request.shown !== undefined && { shown: request.shown }),
    })
    const decision = await signMessage(deps.signer, decisionMessage, claims)
    await deps.audit.keep([decidedEvent(verified.intent.claims, claims, decision)])
    deps.decided(claims)
    const named = new Set(claims.reports)
    return {
      ok: true,
      decision,
      reports: reports.filter(({ jws }) => named.has(jws.digest)).map(({ jws }) => jws.compact),
    }
  }
}

/** In the order of the devices, so in that of `reports` in the decision. */
async function latestReports(
  { authority, reports }: DecideDeps,
  devices: readonly RoutedDevice[],
): Promise<readonly Verified<typeof reportMessage>[]> {
  const found = await Promise.all(
    devices.map(async (device) => {
      const body = await reports.latest(device.record.gateway_id, device.id)
      return body === undefined ? undefined : verifyReport(authority, body, device)
    }),
  )
  return found.filter((report) => report !== undefined)
}

const STATUS: Readonly<Record<Decision['outcome'], EventStatus>> = {
  allow: 'succeeded',
  deny: 'denied',
  needs_approval: 'pending',
  needs_attestation: 'pending',
}

function decidedEvent(intent: Intent, claims: Decision, decision: string): NewEvent {
  return auditEvent(
    'policy.decided',
    {
      agent_id: intent.iss,
      intent: intent.action,
      intent_id: intent.jti,
      intent_digest: claims.intent_digest,
      policy: { ...claims.policy },
      reasons: [...new Set(claims.reasons.map(({ code }) => code))],
      detail: { outcome: claims.outcome, input_sha256: claims.input_sha256 },
      documents: [{ typ: decisionMessage.typ, digest: digestOf(decision), jws: decision }],
    },
    STATUS[claims.outcome],
  )
}
