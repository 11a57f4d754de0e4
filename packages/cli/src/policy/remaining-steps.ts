import type { FiledRecord } from '@writ/authority'
import { sha256 } from '@writ/keys'
import type { Evaluator, PolicyDecision, PolicyInput } from '@writ/policy'

/** What must still happen before policy allows. */
export type RemainingStep =
  | {
      readonly step: 'approval'
      readonly count: number
      readonly roles: readonly string[]
      readonly within_s: number
      /** Registered approvers who could give one: with a role, and not the user on whose behalf it is. */
      readonly could: readonly string[]
      /** Whether they are enough different people. */
      readonly enough: boolean
    }
  | { readonly step: 'attestation'; readonly profile: string; readonly max_age_s: number; readonly within_s: number }

export interface RemainingSteps {
  readonly remaining: readonly RemainingStep[]
  /** What policy decides when all of them are done. */
  readonly leads_to: PolicyDecision['outcome']
}

type Approval = PolicyInput['approvals'][number]

const STEPS_MAX = 4

/** Plays on from a decision: people approve, the host is attested, and the same policy is asked again at the same instant. */
export function remainingSteps(
  evaluator: Pick<Evaluator, 'evaluate'>,
  input: PolicyInput,
  decision: PolicyDecision,
  approvers: readonly FiledRecord<'approver'>[],
): RemainingSteps {
  const remaining: RemainingStep[] = []
  let [now, last] = [input, decision]
  while (remaining.length < STEPS_MAX) {
    const { outcome, obligations } = last
    if (outcome === 'needs_approval' && obligations.approvals !== undefined) {
      const { count, roles, expires_s } = obligations.approvals
      const could = approvers.filter(
        ({ record }) => record.user !== input.intent.on_behalf_of && record.roles.some((role) => roles.includes(role)),
      )
      const people = [...new Map(could.map((approver) => [approver.record.user, approver])).values()]
      const enough = people.length >= count
      remaining.push({ step: 'approval', count, roles, within_s: expires_s, could: could.map(({ id }) => id), enough })
      if (!enough) break
      now = { ...now, approvals: people.slice(0, count).map((approver) => approvalOf(approver, input.now)) }
    } else if (outcome === 'needs_attestation' && obligations.attestation !== undefined) {
      const { profile, max_age_s, expires_s } = obligations.attestation
      remaining.push({ step: 'attestation', profile, max_age_s, within_s: expires_s })
      now = { ...now, attestations: [attestationOf(input, profile)] }
    } else break
    const next = evaluator.evaluate(now)
    if (next.outcome === last.outcome) break
    last = next
  }
  return { remaining, leads_to: last.outcome }
}

function approvalOf({ id, record: { user, roles } }: FiledRecord<'approver'>, now: number): Approval {
  const digest = sha256(`what if ${id} approves`)
  return { digest, approver: id, user, roles, verdict: 'approve', iat: now, exp: now + 3600 }
}

function attestationOf({ now, agent, intent }: PolicyInput, profile: string): PolicyInput['attestations'][number] {
  const subject = `agent/${agent.id}`
  return {
    digest: sha256(`what if ${subject} is attested`),
    subject,
    profile,
    jkt: intent.kid,
    iat: now,
    exp: now + 600,
    affirming: true,
  }
}
