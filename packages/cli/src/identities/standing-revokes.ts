import type { Authority, StandingRevoke } from '@writ/authority'
import type { ApproverRecord, DeviceRecord, OperatorRecord, RecordKind, RecordOf, RevokeScope } from '@writ/contracts'

/** What stands against an identity as a whole: by its own name, or by something all of it depends on. */
export function standingAgainst(
  { control }: Authority,
  kind: RecordKind,
  id: string,
  record: RecordOf<RecordKind> | null,
): readonly StandingRevoke[] {
  const names = namesOf(kind, id, record)
  return control.standing.filter(
    ({ revoke }) =>
      revoke.scope === 'all' || names.some(([scope, name]) => scope === revoke.scope && name === revoke.id),
  )
}

function namesOf(
  kind: RecordKind,
  id: string,
  record: RecordOf<RecordKind> | null,
): readonly (readonly [RevokeScope, string])[] {
  switch (kind) {
    case 'agent':
    case 'gateway':
      return [[kind, id]]
    case 'device': {
      const { group, gateway_id } = (record ?? {}) as Partial<DeviceRecord>
      return [
        ['device', id],
        ...(group === undefined ? [] : [['group', group] as const]),
        ...(gateway_id === undefined ? [] : [['gateway', gateway_id] as const]),
      ]
    }
    case 'approver':
    case 'operator': {
      const { user } = (record ?? {}) as Partial<ApproverRecord & OperatorRecord>
      return user === undefined ? [] : [['user', user]]
    }
    case 'policy':
    case 'subject':
      return []
  }
}

/** Whether an identity may act at all. */
export type Standing = 'active' | 'suspended' | 'quarantined' | 'removed'

export function standingOf(record: object | null, revokes: readonly StandingRevoke[]): Standing {
  if (record === null) return 'removed'
  if (revokes.length === 0) return 'active'
  return revokes.some(({ revoke }) => revoke.quarantine === true) ? 'quarantined' : 'suspended'
}
