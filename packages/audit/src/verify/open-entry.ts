import { type AuditMessage, auditMessage, isFault, SERVICE_ROLES, type ServiceRole } from '@writ/contracts'
import { openMessage, type Unverified } from '@writ/keys'

/** An entry that has the form of an audit message and whose names agree. Nobody has checked its signature yet. */
export interface OpenedEntry extends Unverified<typeof auditMessage> {
  readonly claims: AuditMessage
  readonly role: ServiceRole | 'gateway'
  readonly instance: string
}

/** Undefined where the entry is no audit message of a role in this region, or where issuer and source contradict one another. */
export function openEntry(entry: Uint8Array, region: string): OpenedEntry | undefined {
  try {
    const opened = openMessage(auditMessage, entry)
    const { source, iss, aud } = opened.claims
    const [role = '', instance = ''] = source.split('/')
    const known = isService(role) || role === 'gateway'
    const agrees = aud === `writ:${region}` && iss === (role === 'gateway' ? instance : role)
    return known && agrees ? { ...opened, role, instance } : undefined
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

function isService(role: string): role is ServiceRole {
  return (SERVICE_ROLES as readonly string[]).includes(role)
}
