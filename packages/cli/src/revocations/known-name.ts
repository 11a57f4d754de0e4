import type { Session } from '@writ/agent-sdk'
import { Fault, isFault, type ReasonCode, type RecordKind, type RevokeScope } from '@writ/contracts'
import { withAdvice } from '../advice.ts'
import { readRecords } from '../identities/kinds.ts'

type Trust = Session['authority']['trust']

/** Whether the records know a name, for the scopes whose names stand in records. */
const CHECKS: Partial<Readonly<Record<RevokeScope, (trust: Trust, id: string) => boolean>>> = {
  agent: (trust, id) => trust.version('agent', id) > 0,
  gateway: (trust, id) => trust.version('gateway', id) > 0,
  device: (trust, id) => trust.version('device', id) > 0,
  group: (trust, id) =>
    inForce(trust, 'device').some(({ group }) => group === id) ||
    inForce(trust, 'agent').some(({ groups }) => groups.includes(id)),
  user: (trust, id) =>
    inForce(trust, 'agent').some(({ users }) => users.includes(id)) ||
    inForce(trust, 'approver').some(({ user }) => user === id),
  key: (trust, id) => trust.keyHolder(id) !== undefined || trust.endorsementsOf(id).length > 0,
}

const CODES: Partial<Readonly<Record<RevokeScope, ReasonCode>>> = {
  agent: 'unknown_agent',
  gateway: 'unknown_key',
  device: 'unknown_device',
  key: 'unknown_key',
}

/** `unread`: the records did not answer. `nameless`: no record has names of that scope. */
export type Known = 'yes' | 'no' | 'unread' | 'nameless'

/**
 * Whether a revoke would name anything. Agents, gateways, devices and keys are known once they were registered, also when they were removed: what they
 * signed may still run. Groups and users are known while a record in force names them.
 */
export async function isKnown(session: Session, scope: RevokeScope, id: string): Promise<Known> {
  const check = CHECKS[scope]
  if (check === undefined) return 'nameless'
  try {
    await readRecords(session)
  } catch (error) {
    // An emergency does not wait for the records: a revoke too many does no harm that a lift does not end.
    if (isFault(error)) return 'unread'
    throw error
  }
  return check(session.authority.trust, id) ? 'yes' : 'no'
}

/** What is thrown about a name that no record has: the code of an unknown one, and how to file it all the same. */
export function unknownName(scope: RevokeScope, id: string): Fault {
  const fault = new Fault(CODES[scope] ?? 'malformed', {
    message: `No record names the ${scope} ${id}: nothing was revoked.`,
  })
  return withAdvice(fault, `${whereShown(scope)} To file it all the same: --force.`)
}

function whereShown(scope: RevokeScope): string {
  if (scope === 'key') return '`writ KIND show ID` shows key ids.'
  if (scope === 'group') return '`writ device list` shows groups.'
  if (scope === 'user') return '`writ agent show ID` and `writ approver list` show users.'
  return `\`writ ${scope} list --all\` shows what was ever registered.`
}

function inForce<K extends RecordKind>(trust: Trust, kind: K) {
  return trust.ids(kind).flatMap((id) => {
    const found = trust.record(kind, id)
    return found === undefined ? [] : [found.record]
  })
}
