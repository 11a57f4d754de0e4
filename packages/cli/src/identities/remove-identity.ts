import type { Session } from '@writ/agent-sdk'
import { Fault } from '@writ/contracts'
import { connectStore, deleteGatewayConsumer, type Plane } from '@writ/plane'
import { withAdvice } from '../advice.ts'
import { fileRecord } from '../operator/file-record.ts'
import { type Spread, spreadControl } from '../operator/revoke.ts'
import { withdrawCredentials } from '../operator/withdraw-credentials.ts'
import { clockText } from '../terminal/time-text.ts'
import { type Identified, readRecords, recordInForce } from './kinds.ts'

export interface Removal {
  readonly kind: Exclude<Identified, 'operator'>
  readonly id: string
  readonly reason: string
  /** Withdraw its authority first: removing a record does not touch the tokens that rest on it (CONTRACT "Command"). */
  readonly revoke: boolean
}

export interface Removed {
  readonly kind: Identified
  readonly id: string
  /** Of the removal. */
  readonly version: number
  readonly revoked?: Pick<Spread, 'seq' | 'confirmed' | 'gateways' | 'running'>
  /** NATS credentials that were withdrawn; absent where the plane's folder is not at hand, or the kind has none. */
  readonly credentials?: number
  /** Whether a gateway's plan consumer was deleted now; absent where the plane's folder is not at hand, and of other kinds. */
  readonly consumer?: boolean
}

/**
 * Ends an identity: its authority is revoked, its record becomes null, its NATS credentials are withdrawn, a gateway's plan consumer is deleted,
 * in this order, so that it can do less at each step. Run again after an interruption it does what is left.
 */
export async function removeIdentity(
  session: Session,
  plane: Plane | undefined,
  removal: Removal,
  told: (what: string) => void,
): Promise<Removed> {
  const { kind, id, reason } = removal
  await readRecords(session)
  const { trust } = session.authority
  if (trust.version(kind, id) === 0) recordInForce(session, kind, id)
  if (kind === 'gateway') refuseWithDevices(session, id)
  const revoked = await revokeFirst(session, removal, told)
  if (trust.record(kind, id) !== undefined) {
    const version = trust.version(kind, id) + 1
    await fileRecord(session, { kind, id, record: null, reason, version })
    await readRecords(session)
    told(`the record is null since version ${version}`)
  }
  const credentials = kind === 'device' || plane === undefined ? undefined : await withdrawCredentials(plane, kind, id)
  const consumer = kind === 'gateway' && plane !== undefined ? await deleteConsumer(plane, id) : undefined
  return {
    kind,
    id,
    version: trust.version(kind, id),
    ...(revoked !== undefined && { revoked }),
    ...(credentials !== undefined && { credentials }),
    ...(consumer !== undefined && { consumer }),
  }
}

/** What the enrolment made in PLANS, with the same credential: nobody at run time may. */
async function deleteConsumer(plane: Plane, gatewayId: string): Promise<boolean> {
  const store = await connectStore(plane)
  try {
    return await deleteGatewayConsumer(store, gatewayId)
  } finally {
    await store.close()
  }
}

/** Approvers have no scope of their own: approvals that were given stand. */
async function revokeFirst(
  session: Session,
  { kind, id, reason, revoke }: Removal,
  told: (what: string) => void,
): Promise<Removed['revoked']> {
  if (!revoke || kind === 'approver') return undefined
  const stands = session.authority.control.standing.some(
    (standing) => standing.revoke.scope === kind && standing.revoke.id === id,
  )
  if (stands) return undefined
  const { seq, confirmed, gateways, running } = await spreadControl(
    session,
    { command: 'revoke', scope: kind, id },
    reason,
    (recorded, by) => told(`revoked by control message ${recorded}; effective everywhere by ${clockText(by)}`),
  )
  return { seq, confirmed, gateways, running }
}

function refuseWithDevices({ authority }: Session, gatewayId: string): void {
  const devices = authority.trust
    .ids('device')
    .filter((id) => authority.trust.record('device', id)?.record.gateway_id === gatewayId)
  if (devices.length === 0) return
  throw withAdvice(
    new Fault('chain_broken', {
      message: `${devices.length} devices are reached by it: ${devices.slice(0, 5).join(', ')}.`,
    }),
    'File them under another gateway (`writ device create ID … --version N`), or remove them first.',
  )
}
