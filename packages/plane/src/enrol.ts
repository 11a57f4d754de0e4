import { join, resolve } from 'node:path'
import { accountOf, Enrolment, Fault, Id, type IdentityKind, type PublicJwk, type Rev } from '@writ/contracts'
import { writeFileDurably } from '@writ/durable'
import { type Algorithm, generateJwk, publicJwk, readEnrolment, readKeyFile, writeKeyFile } from '@writ/keys'
import { connectStore } from './connections.ts'
import { ensureGatewayConsumer } from './ensure-streams.ts'
import type { Plane } from './plane.ts'
import { revocationsOf } from './revoked-users.ts'
import { createSecretFile, exists, makePrivateDirectory, readSecretFile } from './secret-files.ts'
import { createCredentials, userIn } from './users.ts'

export interface EnrolOptions {
  /** An agent, gateway, approver or operator, or a service's role. */
  readonly kind: IdentityKind
  /** A service's instance. */
  readonly id: string
  readonly outDir: string
  /** Algorithm of the signing key that is made as `key.jwk`; absent: no key is made (services, keys made elsewhere). */
  readonly key?: Algorithm
  /** The least that must be found in CONTROL. */
  readonly control?: Rev
}

export interface EnrolmentPackage {
  readonly enrolment: Enrolment
  readonly enrolmentFile: string
  readonly credentialsFile: string
  readonly keyFile: string
  /** Of `key.jwk`, when the folder holds one. */
  readonly publicKey?: PublicJwk
}

const CREDENTIALS = 'nats.creds'

/**
 * Writes an enrolment package: `enrolment.json`, `nats.creds` and, where asked for, `key.jwk`, mode 0600 in a folder of
 * mode 0700. Idempotent: the same identity's folder keeps its key and its credentials, unless those were withdrawn, and its
 * settings follow the plane. A gateway's consumer is made too, so NATS must run. Files no record: that is an operator's signed command.
 * Throws Fault `replayed` when the folder belongs to another identity or holds a key or credentials of nobody known.
 *
 * Credentials of an operator who is not pinned are made only after that operator's record has been filed and read back:
 * with them, messages can be put into CONTROL.
 */
export async function enrol(plane: Plane, options: EnrolOptions): Promise<EnrolmentPackage> {
  const { kind, outDir } = options
  const id = Id.safeParse(options.id)
  if (!id.success) throw new Fault('malformed', { message: 'An id is 1 to 64 letters, digits, - and _.' })
  const dir = resolve(outDir)
  await refuseOthers(dir, plane, kind, id.data)
  const enrolment = Enrolment.parse({
    kind,
    id: id.data,
    nats_url: plane.natsUrl,
    credentials_file: CREDENTIALS,
    region: plane.region,
    trust: plane.trust,
    ...(options.control !== undefined && { control: options.control }),
  })
  await makePrivateDirectory(dir)
  const files = {
    enrolmentFile: join(dir, 'enrolment.json'),
    credentialsFile: join(dir, CREDENTIALS),
    keyFile: join(dir, 'key.jwk'),
  }
  await writeFileDurably(files.enrolmentFile, `${JSON.stringify(enrolment, null, 2)}\n`)
  if (kind === 'gateway') await makeConsumer(plane, id.data)
  await ensureCredentials(plane, kind, id.data, files.credentialsFile)
  const publicKey = await ensureKey(files.keyFile, options.key)
  return { enrolment, ...files, ...(publicKey !== undefined && { publicKey }) }
}

async function refuseOthers(dir: string, plane: Plane, kind: IdentityKind, id: string): Promise<void> {
  const file = join(dir, 'enrolment.json')
  const isRoot =
    dir === resolve(plane.dir, 'provisioning', 'root') && kind === 'operator' && id === plane.rootOperatorId
  if (!(await exists(file))) {
    for (const name of isRoot ? [CREDENTIALS] : [CREDENTIALS, 'key.jwk'])
      if ((await readSecretFile(join(dir, name))) !== undefined)
        throw new Fault('replayed', { message: `${dir} holds ${name} and no enrolment.json; choose another folder.` })
    return
  }
  const found = await readEnrolment(file)
  if (found.kind !== kind || found.id !== id || found.region !== plane.region)
    throw new Fault('replayed', { message: `${dir} belongs to ${found.kind} ${found.id}; choose another folder.` })
}

async function makeConsumer(plane: Plane, gatewayId: string): Promise<void> {
  const store = await connectStore(plane)
  try {
    await ensureGatewayConsumer(store, plane.region, gatewayId)
  } finally {
    await store.close()
  }
}

/** What was withdrawn stays so: its file gives way to a user that was never known before. */
async function ensureCredentials(plane: Plane, kind: IdentityKind, id: string, path: string): Promise<void> {
  const found = await readSecretFile(path)
  const user = found && userIn(found)
  if (found === undefined) await createSecretFile(path, (await createCredentials(plane, kind, id)).creds)
  else if (user !== undefined && (await revocationsOf(plane, accountOf(kind)))[user] !== undefined)
    await writeFileDurably(path, (await createCredentials(plane, kind, id)).creds)
}

async function ensureKey(path: string, algorithm: Algorithm | undefined): Promise<PublicJwk | undefined> {
  if ((await readSecretFile(path)) !== undefined) return publicJwk(await readKeyFile(path))
  if (algorithm === undefined) return undefined
  await writeKeyFile(path, generateJwk(algorithm))
  return publicJwk(await readKeyFile(path))
}
