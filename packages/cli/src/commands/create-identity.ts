import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Fault, type PublicJwk, type RecordKind, type RecordOf } from '@writ/contracts'
import { generateJwk, publicJwk, thumbprint, writeKeyFile } from '@writ/keys'
import { enrol } from '@writ/plane'
import { type Context, identityFolder, operatorSession, planeOf } from '../context.ts'
import { fileRecord } from '../operator/file-record.ts'

export type EnrolledKind = 'agent' | 'gateway' | 'approver' | 'operator'

export interface CreateOptions {
  readonly id: string
  /** Folder of the enrolment package. */
  readonly out?: string
  /** A public JWK made elsewhere; then no key is made here. */
  readonly key?: string
  /** The record's version: 1 makes it, a higher one updates it. */
  readonly version: number
  readonly reason: string
  /** Enrolment package of the operator who signs; the context's own when absent. */
  readonly as?: string
}

export interface Created {
  readonly kind: RecordKind
  readonly id: string
  readonly version: number
  readonly kid?: string
  readonly enrolment?: string
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
  await using session = await operatorSession(context, options.as)
  const file = (key: PublicJwk) => fileRecord(session, { kind, id, record: recordWith([key]), reason, version })
  if (kind === 'operator') {
    const secret = given === undefined ? generateJwk('ES256') : undefined
    const key = given ?? publicJwk(secret)
    await file(key)
    await enrol(plane, { kind, id, outDir })
    if (secret !== undefined) await writeKeyFile(join(outDir, 'key.jwk'), secret)
    return { kind, id, version, kid: thumbprint(key), enrolment: outDir }
  }
  const made = await enrol(plane, { kind, id, outDir, ...(given === undefined && { key: 'ES256' as const }) })
  const key = given ?? made.publicKey
  if (key === undefined) throw new Fault('internal', { message: 'The enrolment package has no key.' })
  await file(key)
  return { kind, id, version, kid: thumbprint(key), enrolment: outDir }
}

/** A device has no key and no package: its gateway acts for it. */
export async function createDevice(
  context: Context,
  options: Omit<CreateOptions, 'key' | 'out'>,
  record: RecordOf<'device'>,
): Promise<Created> {
  await using session = await operatorSession(context, options.as)
  const { id, reason, version } = options
  await fileRecord(session, { kind: 'device', id, record, reason, version })
  return { kind: 'device', id, version }
}

async function readPublicKey(path: string): Promise<PublicJwk> {
  try {
    return publicJwk(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    throw new Fault('malformed', { message: `${path} holds no P-256 or Ed25519 public JWK.`, cause })
  }
}
