import type { Session } from '@writ/agent-sdk'
import type { FiledRecord } from '@writ/authority'
import { Fault, type PublicJwk, type ReasonCode, type RecordKind } from '@writ/contracts'
import { thumbprint } from '@writ/keys'
import { withAdvice } from '../advice.ts'

/** What has a record of its own, in the order of the help. Policy is not an identity. */
export const IDENTITY_KINDS = ['agent', 'gateway', 'device', 'approver', 'operator'] as const
export type Identified = (typeof IDENTITY_KINDS)[number]
/** Those with a key and an enrolment package: a device's gateway acts for it. */
export type EnrolledKind = Exclude<Identified, 'device'>

const NOT_REGISTERED: Readonly<Record<Identified, ReasonCode>> = {
  agent: 'unknown_agent',
  gateway: 'unknown_key',
  device: 'unknown_device',
  approver: 'not_an_approver',
  operator: 'unknown_key',
}

/** Records of every kind, read to the end of both streams. */
export async function readRecords({ reader }: Session): Promise<void> {
  await reader.control()
  await reader.registry()
}

/** The record in force. Throws the code of an unknown one when there is none, or it was removed. Read the records first. */
export function recordInForce<K extends Identified>({ authority }: Session, kind: K, id: string): FiledRecord<K> {
  const record = authority.trust.record(kind, id)
  if (record !== undefined) return record
  const removed = authority.trust.version(kind, id) > 0
  const fault = new Fault(NOT_REGISTERED[kind], {
    message: removed ? `The ${kind} ${id} was removed.` : `No ${kind} ${id} is registered.`,
  })
  throw withAdvice(fault, `\`writ ${kind} list${removed ? ' --all' : ''}\` shows what is registered.`)
}

/** The keys of a record; none for kinds that have none. */
export function keysOf(record: FiledRecord<RecordKind>['record'] | null): readonly PublicJwk[] {
  return record !== null && 'keys' in record ? record.keys : []
}

export function kidsOf(record: FiledRecord<RecordKind>['record'] | null): readonly string[] {
  return keysOf(record).map(thumbprint)
}
