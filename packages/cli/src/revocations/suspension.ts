import type { Session } from '@writ/agent-sdk'
import type { RevokeScope } from '@writ/contracts'
import { readRecords, recordInForce } from '../identities/kinds.ts'

/** What can be suspended by name, in everyday words. */
export const SUSPENDABLE = ['agent', 'gateway', 'device', 'approver', 'user', 'group'] as const
export type Suspendable = (typeof SUSPENDABLE)[number]

/** The revoke that suspends it. An approver is the person: what is asked on that person's behalf stops too (CONTRACT "Control"). */
export async function suspensionOf(
  session: Session,
  kind: Suspendable,
  id: string,
): Promise<{ readonly scope: RevokeScope; readonly id: string }> {
  if (kind === 'user' || kind === 'group') return { scope: kind, id }
  await readRecords(session)
  if (kind !== 'approver') {
    recordInForce(session, kind, id)
    return { scope: kind, id }
  }
  return { scope: 'user', id: recordInForce(session, kind, id).record.user }
}
