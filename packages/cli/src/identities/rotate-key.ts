import type { Session } from '@writ/agent-sdk'
import { Fault, type PublicJwk, type RecordOf } from '@writ/contracts'
import { algorithmOf, thumbprint } from '@writ/keys'
import { withAdvice } from '../advice.ts'
import { fileRecord } from '../operator/file-record.ts'
import { currentKey, forgetOld, type KeyFiles, keyFiles, nextKey, publicKeyIn, takeUpNext } from './key-files.ts'
import { type EnrolledKind, keysOf, readRecords, recordInForce } from './kinds.ts'

export interface Rotation<K extends EnrolledKind = EnrolledKind> {
  readonly kind: K
  readonly id: string
  readonly reason: string
}

export interface Rotated {
  readonly kind: EnrolledKind
  readonly id: string
  /** Of the record in force. */
  readonly version: number
  /** Key ids of the record in force. */
  readonly keys: readonly string[]
  readonly added?: string
  readonly dropped?: string
}

/**
 * The first half of a rotation: a record with the old keys and a new one is put in force, and only then does the package in `folder` get
 * the new key; the old one is kept beside it. Messages under either key are good until `finishRotation`. Run again after an interruption it
 * goes on where it stopped. Throws Fault `unknown_key` when the package's key is not in force, `replayed` when a rotation is not finished.
 */
export async function beginRotation(session: Session, rotation: Rotation, folder: string): Promise<Rotated> {
  const files = keyFiles(folder)
  await readRecords(session)
  refusePinned(session, rotation)
  const { record } = recordInForce(session, rotation.kind, rotation.id)
  const current = await currentKey(files)
  assertInForce(record, current, folder)
  if ((await stageOf(files, current)) === 'begun')
    throw withAdvice(
      new Fault('replayed', { message: `An earlier rotation in ${folder} is not finished.` }),
      `When the new key is in use: writ ${rotation.kind} rotate-key ${rotation.id} --finish`,
    )
  const next = await nextKey(files, algorithmOf(current))
  const filed = await addKey(session, rotation, next)
  await takeUpNext(folder, files)
  return filed
}

/** For a key that was made elsewhere: puts it in force beside the old ones. No file is touched. */
export async function addKey(session: Session, rotation: Rotation, key: PublicJwk): Promise<Rotated> {
  await readRecords(session)
  refusePinned(session, rotation)
  const { record } = recordInForce(session, rotation.kind, rotation.id)
  const kid = thumbprint(key)
  const keys = keysOf(record)
  if (keys.some((known) => thumbprint(known) === kid)) return said(session, rotation, { added: kid })
  await fileKeys(session, rotation, [...keys, key])
  return said(session, rotation, { added: kid })
}

/**
 * How far the files of a package are. The old key lies beside the current one before the next one takes its place, so that only another old
 * key says that it did: then the first half is done.
 */
async function stageOf(files: KeyFiles, current: PublicJwk): Promise<'none' | 'interrupted' | 'begun'> {
  const [next, old] = [await publicKeyIn(files.next), await publicKeyIn(files.old)]
  if (old !== undefined && thumbprint(old) !== thumbprint(current)) return 'begun'
  return next === undefined && old === undefined ? 'none' : 'interrupted'
}

/**
 * The second half: puts a record without the old key in force, and only then removes the file that holds it. Throws Fault `malformed` when
 * the first half is not done, or the old key would be the last one.
 */
export async function finishRotation(session: Session, rotation: Rotation, folder: string): Promise<Rotated> {
  const { kind, id } = rotation
  const files = keyFiles(folder)
  const current = await currentKey(files)
  const stage = await stageOf(files, current)
  const [old, next] = [await publicKeyIn(files.old), await publicKeyIn(files.next)]
  if (stage === 'none')
    throw withAdvice(
      new Fault('malformed', { message: `No rotation has begun in ${folder}: it holds no key.old.jwk.` }),
      `Begin with: writ ${kind} rotate-key ${id}; or name a key of the record with --drop KID.`,
    )
  if (stage === 'interrupted' || old === undefined)
    throw withAdvice(
      new Fault('malformed', {
        message: `The first half of the rotation in ${folder} was interrupted: key.jwk is the old key.`,
      }),
      `Let it do the rest: writ ${kind} rotate-key ${id}`,
    )
  if (next !== undefined)
    throw withAdvice(
      new Fault('malformed', { message: `${files.next} belongs to no rotation that has begun in ${folder}.` }),
      'Move that file away if nobody has put it into a record.',
    )
  await readRecords(session)
  assertInForce(recordInForce(session, kind, id).record, current, folder)
  const done = await dropKey(session, rotation, thumbprint(old))
  await forgetOld(folder, files)
  return done
}

/** Both halves. A rotation that has begun already, here or in a try that was interrupted, is finished, and no other begins. */
export async function rotateAtOnce(session: Session, rotation: Rotation, folder: string): Promise<Rotated> {
  const files = keyFiles(folder)
  const begun = (await stageOf(files, await currentKey(files))) === 'begun'
  const added = begun ? {} : await beginRotation(session, rotation, folder)
  return { ...added, ...(await finishRotation(session, rotation, folder)) }
}

/** Puts a record without one of its keys in force. Throws Fault `malformed` when that would be the last one. */
export async function dropKey(session: Session, rotation: Rotation, kid: string): Promise<Rotated> {
  await readRecords(session)
  refusePinned(session, rotation)
  const keys = keysOf(recordInForce(session, rotation.kind, rotation.id).record)
  const kept = keys.filter((key) => thumbprint(key) !== kid)
  if (kept.length === keys.length) return said(session, rotation, { dropped: kid })
  if (kept.length === 0)
    throw withAdvice(
      new Fault('malformed', { message: 'It is the only key of the record.' }),
      `\`writ ${rotation.kind} remove ${rotation.id}\` removes the identity.`,
    )
  await fileKeys(session, rotation, kept)
  return said(session, rotation, { dropped: kid })
}

function said({ authority }: Session, { kind, id }: Rotation, what: Pick<Rotated, 'added' | 'dropped'>): Rotated {
  const keys = keysOf(authority.trust.record(kind, id)?.record ?? null).map(thumbprint)
  return { kind, id, version: authority.trust.version(kind, id), keys, ...what }
}

/** Reads back what was filed, so that the caller touches key files only under a record that is in force. */
async function fileKeys(session: Session, { kind, id, reason }: Rotation, keys: readonly PublicJwk[]): Promise<void> {
  const { record, version } = recordInForce(session, kind, id)
  const changed = { ...record, keys: [...keys] } as RecordOf<EnrolledKind>
  await fileRecord(session, { kind, id, record: changed, reason, version: version + 1 })
  await readRecords(session)
  const found = keysOf(recordInForce(session, kind, id).record).map(thumbprint)
  if (found.join() !== keys.map(thumbprint).join())
    throw new Fault('unavailable', { message: 'The record that was filed is not the one that is read.' })
}

function refusePinned({ authority }: Session, { kind, id }: Rotation): void {
  if (kind !== 'operator' || !authority.trust.isPinned(id)) return
  throw withAdvice(
    new Fault('wrong_role', { message: `The key of ${id} is pinned in every enrolment package, not in a record.` }),
    'Pins are changed out of band: give out new enrolment packages.',
  )
}

function assertInForce(record: RecordOf<EnrolledKind>, key: PublicJwk, folder: string): void {
  if (keysOf(record).some((known) => thumbprint(known) === thumbprint(key))) return
  throw withAdvice(
    new Fault('unknown_key', { message: `The key in ${folder} is not one of the record in force.` }),
    'Name the package that holds a registered key with --package DIR.',
  )
}
