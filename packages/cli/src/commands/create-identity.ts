import { readFile, rename } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Fault, type PublicJwk, type RecordKind, type RecordOf, type Rev } from '@writ/contracts'
import { publicJwk, thumbprint } from '@writ/keys'
import { enrol, type Plane } from '@writ/plane'
import { type Context, identityFolder, planeOf } from '../context.ts'
import { keyFiles, nextKey, publicKeyIn } from '../identities/key-files.ts'
import { type EnrolledKind, readRecords } from '../identities/kinds.ts'
import { standingAgainst } from '../identities/standing-revokes.ts'
import type { CosignedSession } from '../operator/cosigners.ts'
import { fileRecord } from '../operator/file-record.ts'
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
  readonly kid?: string
  readonly enrolment?: string
  /** Sequences of revokes that stand against it, for example since one of this name was removed. */
  readonly revokes: readonly number[]
}

/**
 * Makes an identity whole: a key (unless one is given), the operator-signed record, and the enrolment package with its NATS
 * credentials. Credentials of an operator come last, after the record has been filed and read back (CONTRACT "Control").
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
  const { position } = session.authority.control
  const control = position && { stream: position.stream, seq: position.seq }
  const target = { plane, kind, id, outDir, control, given }
  const file = async (key: PublicJwk) => {
    await fileRecord(session, { kind, id, record: recordWith([key]), reason, version })
    return key
  }
  const key = kind === 'operator' ? await enrolLast(target, file) : await enrolFirst(target, file)
  return { kind, id, version, kid: thumbprint(key), enrolment: outDir, revokes: await standing(session, kind, id) }
}

interface Target {
  readonly plane: Plane
  readonly kind: EnrolledKind
  readonly id: string
  readonly outDir: string
  /** What the package demands of CONTROL at least. */
  readonly control: Rev | undefined
  readonly given: PublicJwk | undefined
}

async function enrolFirst(target: Target, file: (key: PublicJwk) => Promise<PublicJwk>): Promise<PublicJwk> {
  const { plane, kind, id, outDir, control, given } = target
  const made = await enrol(plane, {
    kind,
    id,
    outDir,
    ...(control !== undefined && { control }),
    ...(given === undefined && { key: 'ES256' as const }),
  })
  const key = given ?? made.publicKey
  if (key === undefined) throw new Fault('internal', { message: 'The enrolment package has no key.' })
  return file(key)
}

/** The key is kept before its record is filed, beside where the package will have it. */
async function enrolLast(target: Target, file: (key: PublicJwk) => Promise<PublicJwk>): Promise<PublicJwk> {
  const { plane, kind, id, outDir, control, given } = target
  const files = keyFiles(outDir)
  const known = given ?? (await publicKeyIn(files.current))
  const key = await file(known ?? (await nextKey(files, 'ES256')))
  await enrol(plane, { kind, id, outDir, ...(control !== undefined && { control }) })
  if (known === undefined) await rename(files.next, files.current)
  return key
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
  return { kind: 'device', id, version, revokes: await standing(session, 'device', id) }
}

async function standing(session: CosignedSession, kind: RecordKind, id: string): Promise<readonly number[]> {
  await readRecords(session)
  const record = session.authority.trust.record(kind, id)?.record ?? null
  return standingAgainst(session.authority, kind, id, record).map(({ seq }) => seq)
}

export async function readPublicKey(path: string): Promise<PublicJwk> {
  try {
    return publicJwk(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no P-256 or Ed25519 public JWK.`, cause })
  }
}
