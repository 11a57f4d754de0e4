import type { Session } from '@writ/agent-sdk'
import { type FiledValue, parseFiledValue } from '@writ/authority'
import { Fault, isFault, type RecordKind, SIGNER_KINDS } from '@writ/contracts'
import { type Identified, readRecords, recordInForce } from './kinds.ts'
import { type ListedIdentity, listed } from './list-identities.ts'

/** One version of a record as an operator filed it. */
export interface FiledVersion {
  readonly version: number
  /** Of the command: how tokens and decisions name the record. */
  readonly digest: string
  readonly signed_by: readonly string[]
  /** RFC 3339. */
  readonly filed_at: string
  readonly reason: string
  readonly removes: boolean
  /** False: the signer's key was revoked since, so it counts no more. */
  readonly valid: boolean
}

export interface ShownIdentity extends ListedIdentity {
  /** Whether it signs with a key that is pinned in enrolment packages. */
  readonly pinned?: boolean
  readonly history: readonly FiledVersion[]
}

/** The record in force and its history. Throws the code of an unknown identity. */
export async function showIdentity(session: Session, kind: Identified, id: string): Promise<ShownIdentity> {
  await readRecords(session)
  const found = listed(session, kind, id)
  const { trust } = session.authority
  if (found === undefined) {
    recordInForce(session, kind, id)
    throw new Fault('internal', { message: 'A record in force has no value.' })
  }
  const history = (await filedValues(session, kind, id)).map((filed) => versionOf(filed, trust.isValid(filed)))
  return { ...found, ...(kind === 'operator' && { pinned: trust.isPinned(id) }), history }
}

/** Every value that was filed under an id, valid or not, the latest version last. Read the records first. */
export async function filedValues(
  { bus, subjects }: Session,
  kind: RecordKind,
  id: string,
): Promise<readonly FiledValue[]> {
  const found = new Map<string, FiledValue>()
  const filter = subjects.registry(kind, id)
  for await (const { data } of bus.read(streamOf(kind), { fromSeq: 1, filter })) {
    const filed = parsedValue(data)
    if (filed === undefined || filed.command.claims.kind !== kind || filed.command.claims.id !== id) continue
    found.set(filed.command.jws.digest, filed)
  }
  return [...found.values()].sort((a, b) => a.command.claims.version - b.command.claims.version)
}

export function streamOf(kind: RecordKind): 'SIGNERS' | 'REGISTRY' {
  return SIGNER_KINDS.some((signer) => signer === kind) ? 'SIGNERS' : 'REGISTRY'
}

/** Who signed a filed value: the operator who filed it, and those who signed with him. */
export function signersOf({ command, cosigns }: FiledValue): readonly string[] {
  return [command.claims.iss, ...cosigns.map(({ claims }) => claims.iss)]
}

/** Undefined where it is no value. Nothing is verified yet. */
export function parsedValue(data: Uint8Array): FiledValue | undefined {
  try {
    return parseFiledValue(data)
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}

function versionOf(filed: FiledValue, valid: boolean): FiledVersion {
  const { claims, jws } = filed.command
  return {
    version: claims.version,
    digest: jws.digest,
    signed_by: signersOf(filed),
    filed_at: new Date(claims.iat * 1000).toISOString(),
    reason: claims.reason,
    removes: claims.record === null,
    valid,
  }
}
