import type { Bus } from '@writ/bus'
import { type ApprovalRequest, approvalRequestMessage, decisionMessage, Fault, subjects } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { currentTrace } from '@writ/service-kit'
import type { NumberedFile } from '../adapters/decision-files.ts'
import type { Evidence } from '../adapters/evidence.ts'
import { type LiveRecord, userOf } from '../core/intent-record.ts'
import type { AuthorityView, Clock, Log, Sign } from '../ports.ts'

export interface AnnounceApprovalDeps {
  readonly view: AuthorityView
  readonly bus: Pick<Bus, 'publish'>
  readonly evidence: Evidence
  readonly sign: Sign
  readonly clock: Clock
  readonly log: Log
}

/** Tells the approvers whose roles fit that something waits for them. Live only: the list is a query. */
export function announceApproval(
  deps: AnnounceApprovalDeps,
): (record: LiveRecord, intent: string, shown: NumberedFile) => Promise<void> {
  return async (record, intent, shown) => {
    const approvers = approversOf(deps.view, record)
    const request = await deps.sign(approvalRequestMessage, requestClaims(deps, record, intent, shown.decision))
    const at = subjects(deps.view.authority.region)
    for (const approver of approvers) {
      try {
        deps.bus.publish(at.pending(approver), request, currentTrace())
      } catch (error) {
        deps.log.warn({ err: error, approver }, 'an approval request was not announced')
      }
    }
    await deps.evidence.approvalRequested(record, shown.digest, approvers)
  }
}

/** Who may approve it: any of the roles, and not the user on whose behalf it is. */
export function approversOf({ authority }: Pick<AuthorityView, 'authority'>, record: LiveRecord): readonly string[] {
  const roles = record.approval?.roles ?? []
  return authority.trust.ids('approver').filter((id) => {
    const approver = authority.trust.record('approver', id)?.record
    return (
      approver !== undefined && approver.user !== userOf(record) && approver.roles.some((role) => roles.includes(role))
    )
  })
}

/** `writ-approval-request+jwt`: the exact messages and records that the approver decides about. */
export function requestClaims(
  { view, clock }: Pick<AnnounceApprovalDeps, 'view' | 'clock'>,
  record: LiveRecord,
  intent: string,
  decision: string,
): ApprovalRequest {
  const { trust, audience } = view.authority
  const values = [
    trust.valueOf('agent', record.agent_id),
    ...record.steps.map(({ device_id }) => trust.valueOf('device', device_id)),
  ].filter((value) => value !== undefined)
  const { exp } = openMessage(decisionMessage, decision).claims
  if (values.length !== record.steps.length + 1)
    throw new Fault('unavailable', { message: 'A record of the intent is not known here yet.' })
  return { iss: 'intent-gateway', aud: audience, iat: clock.nowSeconds(), exp, intent, decision, records: values }
}
