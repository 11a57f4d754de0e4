import type { Session } from '@writ/agent-sdk'
import { parseFiledValue } from '@writ/authority'
import { ANY, type Command, Fault, type PublicJwk, RECORD_KINDS, type RecordKind, type RecordOf } from '@writ/contracts'
import { thumbprint, verifies } from '@writ/keys'
import type { Plane } from '@writ/plane'
import { withAdvice } from '../advice.ts'
import { publishControl } from '../operator/control.ts'
import { fileRecord } from '../operator/file-record.ts'
import { withdrawCredentials } from '../operator/withdraw-credentials.ts'
import { keysOf, readRecords, recordInForce } from './kinds.ts'
import type { Removed } from './remove-identity.ts'
import { filedValues, parsedValue, signersOf } from './show-identity.ts'

export interface OperatorRemoval {
  readonly id: string
  readonly reason: string
}

export interface RemovedOperator extends Removed {
  /** Records that rested on the leaving operator's signature and now rest on another's, as `<kind>/<id>`. */
  readonly refiled: readonly string[]
  /** Ids of the keys that are revoked for good. */
  readonly keys: readonly string[]
}

/**
 * An operator leaves, in the order of CONTRACT "Command": another operator (the session's) files again what the leaving one filed, the record
 * becomes null, each of their keys is revoked. Their NATS credentials are withdrawn before, so that nothing new is filed meanwhile. A key
 * revoke is for good: it makes every record void that was signed with the key, which is why the records come first, and why it is looked
 * afterwards whether one came in between. Run again after an interruption it does what is left. Throws Fault `wrong_role` when the leaving operator would sign.
 */
export async function removeOperator(
  session: Session,
  plane: Plane | undefined,
  { id, reason }: OperatorRemoval,
  told: (what: string) => void,
): Promise<RemovedOperator> {
  await readRecords(session)
  const { trust } = session.authority
  refuseImpossible(session, id)
  const credentials = plane === undefined ? undefined : await withdrawCredentials(plane, 'operator', id)
  if (credentials !== undefined) told(`${credentials} NATS credentials withdrawn`)
  const refiled = await fileAgain(session, id, told)
  if (trust.record('operator', id) !== undefined) {
    const version = trust.version('operator', id) + 1
    await fileRecord(session, { kind: 'operator', id, record: null, reason, version })
    await readRecords(session)
    told(`the record is null since version ${version}`)
  }
  // Their keys count until they are revoked: what was filed since the last look would be lost with them.
  refiled.push(...(await fileAgain(session, id, told)))
  const keys = await everyKey(session, id)
  const revoked = await revokeKeys(session, keys, reason, told)
  refiled.push(...(await fileVoided(session, id, revoked, told)))
  return {
    kind: 'operator',
    id,
    version: trust.version('operator', id),
    ...(credentials !== undefined && { credentials }),
    refiled,
    keys: keys.map(thumbprint),
  }
}

function refuseImpossible(session: Session, id: string): void {
  const { trust } = session.authority
  if (id === session.id)
    throw withAdvice(
      new Fault('wrong_role', { message: `${id} would sign the removal of ${id}.` }),
      'Another root operator removes them: --as DIR names that one’s enrolment package.',
    )
  if (trust.isPinned(id))
    throw withAdvice(
      new Fault('wrong_role', { message: `${id} is pinned in every enrolment package, and no record removes a pin.` }),
      'Give out enrolment packages without that pin, then: writ revoke key KID.',
    )
  if (!trust.isPinned(session.id))
    throw withAdvice(
      new Fault('wrong_role', { message: `${session.id} is no root operator, and only those remove operators.` }),
      'Name a root operator’s enrolment package with --as DIR.',
    )
  if (trust.version('operator', id) === 0) recordInForce(session, 'operator', id)
}

/** Of every version: a key counts until a revoke names it, in force or not. */
async function everyKey(session: Session, id: string): Promise<readonly PublicJwk[]> {
  const found = new Map<string, PublicJwk>()
  for (const filed of await filedValues(session, 'operator', id)) {
    if (!session.authority.trust.isValid(filed)) continue
    for (const key of keysOf(filed.command.claims.record)) found.set(thumbprint(key), key)
  }
  return [...found.values()]
}

const reasonFor = (leaving: string): string => `Filed again: operator ${leaving} leaves.`

/** Until nothing in force rests on the leaving operator's signature. */
async function fileAgain(session: Session, leaving: string, told: (what: string) => void): Promise<string[]> {
  const reason = reasonFor(leaving)
  const refiled: string[] = []
  for (let resting = restingOn(session, leaving); resting.length > 0; resting = restingOn(session, leaving)) {
    for (const { kind, id } of resting) {
      const { trust } = session.authority
      const record: RecordOf<RecordKind> | null = trust.record(kind, id)?.record ?? null
      const version = trust.version(kind, id) + 1
      await fileRecord(session, { kind, id, record, reason, version })
      refiled.push(`${kind}/${id}`)
      told(`filed ${kind} ${id} again, version ${version}`)
    }
    await readRecords(session)
  }
  return refiled
}

/** What is in force, removals too: a removal that becomes void would bring the record back. */
function restingOn(
  { authority }: Session,
  leaving: string,
): readonly { readonly kind: RecordKind; readonly id: string }[] {
  const { trust } = authority
  return RECORD_KINDS.flatMap((kind) => trust.ids(kind).map((id) => ({ kind, id }))).filter(({ kind, id }) => {
    const value = trust.valueOf(kind, id)
    return value !== undefined && signersOf(parseFiledValue(value)).includes(leaving)
  })
}

/**
 * What they filed after the last look and before their keys were revoked: in force then, void since. Of keys alone that were revoked here:
 * what a key signed that had been revoked before, since it was stolen, stays void.
 */
async function fileVoided(
  session: Session,
  leaving: string,
  keys: readonly PublicJwk[],
  told: (what: string) => void,
): Promise<readonly string[]> {
  await readRecords(session)
  const { trust } = session.authority
  const refiled: string[] = []
  for (const { kind, id, version, record } of await lastSignedWith(session, keys)) {
    if (version <= trust.version(kind, id)) continue
    const next = trust.version(kind, id) + 1
    await fileRecord(session, { kind, id, record, reason: reasonFor(leaving), version: next })
    refiled.push(`${kind}/${id}`)
    told(`filed ${kind} ${id} again, version ${next}`)
  }
  return refiled
}

/** The last value of each record that one of these keys signed. */
async function lastSignedWith({ bus, subjects }: Session, keys: readonly PublicJwk[]): Promise<Iterable<Command>> {
  const found = new Map<string, Command>()
  for (const stream of keys.length === 0 ? [] : (['SIGNERS', 'REGISTRY'] as const)) {
    for await (const { data } of bus.read(stream, { fromSeq: 1, filter: subjects.registry(ANY, ANY) })) {
      const filed = parsedValue(data)
      const { jws, claims } = filed?.command ?? {}
      const key = keys.find((candidate) => thumbprint(candidate) === jws?.kid)
      if (jws === undefined || claims === undefined || key === undefined) continue
      if (!verifies(Buffer.from(jws.signingInput, 'latin1'), jws.signature, key)) continue
      const name = `${claims.kind}/${claims.id}`
      if (claims.version > (found.get(name)?.version ?? 0)) found.set(name, claims)
    }
  }
  return found.values()
}

/** Answers which were not revoked before. */
async function revokeKeys(
  session: Session,
  keys: readonly PublicJwk[],
  reason: string,
  told: (what: string) => void,
): Promise<readonly PublicJwk[]> {
  const revoked: PublicJwk[] = []
  for (const key of keys) {
    const kid = thumbprint(key)
    if (session.authority.control.keyWasRevoked(kid)) continue
    const { seq } = await publishControl(session, { command: 'revoke', scope: 'key', id: kid }, reason)
    await session.reader.control()
    revoked.push(key)
    told(`revoked key ${kid} by control message ${seq}`)
  }
  return revoked
}
