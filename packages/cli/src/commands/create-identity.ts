import { readFile, rename } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Fault, type PublicJwk, type RecordKind, type RecordOf, type Rev } from '@writ/contracts'
import { publicJwk, thumbprint } from '@writ/keys'
import { enrol, type Plane } from '@writ/plane'
import { withAdvice } from '../advice.ts'
import { type Context, identityFolder, planeOf } from '../context.ts'
import { keyFiles, nextKey, publicKeyIn } from '../identities/key-files.ts'
import { type EnrolledKind, keysOf, readRecords } from '../identities/kinds.ts'
import { standingAgainst } from '../identities/standing-revokes.ts'
import { unknownNames } from '../identities/unknown-names.ts'
import { wantsPackage } from '../identities/wants-package.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { fileRecord } from '../operator/file-record.ts'
import { tellingIds } from '../privacy/telling-ids.ts'
import { type SigningOptions, signedSession } from './signing-options.ts'

export interface CreateOptions extends SigningOptions {
  readonly id: string
  /** Folder of the enrolment package. */
  readonly out?: string
  /** A public JWK made elsewhere; then no key is made here. */
  readonly key?: string
  /** The record's version: 1 makes it, a higher one updates it. */
  readonly version: number
}

export interface Created {
  readonly kind: RecordKind
  readonly id: string
  readonly version: number
  /** Of the record's first key, to which a gateway's tokens are bound. */
  readonly kid?: string
  /** Ids of the record's keys. */
  readonly keys?: readonly string[]
  /** The package's folder; absent where none was made or touched. */
  readonly enrolment?: string
  /** Sequences of revokes that stand against it, for example since one of this name was removed. */
  readonly revokes: readonly number[]
  /** What its record names and nothing else knows, a sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Makes an identity whole: a key (unless one is given), the operator-signed record, and the enrolment package with its NATS
 * credentials. Credentials of an operator come last, after the record has been filed and read back (CONTRACT "Control").
 * A record that is in force keeps its keys unless one is given, and a package is touched only where there is one: a key that
 * nobody holds is never filed in place of the one in use. Throws Fault `unknown_key` when the folder has a key that would not be the record's.
 */
export async function createIdentity<K extends EnrolledKind>(
  context: Context,
  kind: K,
  options: CreateOptions,
  recordWith: (keys: PublicJwk[]) => RecordOf<K>,
): Promise<Created> {
  const { id, version, reason } = options
  const plane = await planeOf(context)
  const outDir = resolve(options.out ?? identityFolder(context, kind, id))
  const given = options.key === undefined ? undefined : await readPublicKey(options.key)
  await using session = await signedSession(context, options)
  await readRecords(session)
  assertNext(session, kind, id, version)
  const inForce = session.authority.trust.record(kind, id)
  const keys = given === undefined ? inForce && keysOf(inForce.record) : [given]
  const wanted = { kind, id, outDir, keys, named: options.out !== undefined, made: inForce !== undefined }
  const packaged = await wantsPackage(wanted)
  const { position } = session.authority.control
  const control = position && { stream: position.stream, seq: position.seq }
  const target = { plane, kind, id, outDir, control, keys, packaged }
  const file = async (filed: readonly PublicJwk[]) => {
    await fileRecord(session, { kind, id, record: recordWith([...filed]), reason, version })
    return filed
  }
  const kids = (kind === 'operator' ? await enrolLast(target, file) : await enrolFirst(target, file)).map(thumbprint)
  const [kid] = kids
  return {
    kind,
    id,
    version,
    ...(kid !== undefined && { kid }),
    keys: kids,
    ...(packaged && { enrolment: outDir }),
    ...(await lookedAt(session, kind, id)),
  }
}

/** Before anything is made. The broker says it again, of what is in force by then. */
function assertNext({ authority }: CosignedSession, kind: RecordKind, id: string, version: number): void {
  const next = authority.trust.version(kind, id) + 1
  if (version === next) return
  const fault = new Fault('wrong_version', { message: `The next version is ${next}.` })
  if (next === 1) throw fault
  const there = `\`writ ${kind} show ${id}\` shows what was filed; --version ${next} puts this in its place.`
  throw withAdvice(fault, there)
}

interface Target {
  readonly plane: Plane
  readonly kind: EnrolledKind
  readonly id: string
  readonly outDir: string
  /** What the package demands of CONTROL at least. */
  readonly control: Rev | undefined
  /** Of the record; undefined: the package's own, made where it has none. */
  readonly keys: readonly PublicJwk[] | undefined
  readonly packaged: boolean
}

type File = (keys: readonly PublicJwk[]) => Promise<readonly PublicJwk[]>

async function enrolFirst(target: Target, file: File): Promise<readonly PublicJwk[]> {
  const { plane, kind, id, outDir, control, keys, packaged } = target
  const made = packaged
    ? await enrol(plane, {
        kind,
        id,
        outDir,
        ...(control !== undefined && { control }),
        ...(keys === undefined && { key: 'ES256' as const }),
      })
    : undefined
  if (keys !== undefined) return file(keys)
  if (made?.publicKey === undefined) throw new Fault('internal', { message: 'The enrolment package has no key.' })
  return file([made.publicKey])
}

/** The key is kept before its record is filed, beside where the package will have it. */
async function enrolLast(target: Target, file: File): Promise<readonly PublicJwk[]> {
  const { plane, kind, id, outDir, control, packaged } = target
  const files = keyFiles(outDir)
  const keys = await file(target.keys ?? [(await publicKeyIn(files.current)) ?? (await nextKey(files, 'ES256'))])
  if (!packaged) return keys
  await enrol(plane, { kind, id, outDir, ...(control !== undefined && { control }) })
  // Of a rotation that is under way, the next key is not in use yet.
  if ((await publicKeyIn(files.current)) === undefined && (await publicKeyIn(files.next)) !== undefined)
    await rename(files.next, files.current)
  return keys
}

/** A device has no key and no package: its gateway acts for it. */
export async function createDevice(
  context: Context,
  options: Omit<CreateOptions, 'key' | 'out'>,
  record: RecordOf<'device'>,
): Promise<Created> {
  await using session = await signedSession(context, options)
  const { id, reason, version } = options
  await fileRecord(session, { kind: 'device', id, record, reason, version })
  return { kind: 'device', id, version, ...(await lookedAt(session, 'device', id)) }
}

/** What a person may have missed about the record that is in force by now. */
async function lookedAt(
  session: CosignedSession,
  kind: RecordKind,
  id: string,
): Promise<Pick<Created, 'revokes' | 'warnings'>> {
  await readRecords(session)
  const record = session.authority.trust.record(kind, id)?.record ?? null
  return {
    revokes: standingAgainst(session.authority, kind, id, record).map(({ seq }) => seq),
    warnings: record === null ? [] : [...tellingIds(record), ...(await unknownNames(session, kind, record))],
  }
}

export async function readPublicKey(path: string): Promise<PublicJwk> {
  try {
    return publicJwk(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no P-256 or Ed25519 public JWK.`, cause })
  }
}
