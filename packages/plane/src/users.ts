import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decode, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createUser } from '@nats-io/nkeys'
import { type Account, accountOf, type IdentityKind, type Permissions, permissions } from '@writ/contracts'
import { errnoOf } from '@writ/durable'
import { type Plane, planePaths } from './plane.ts'
import { createSecretFile, makePrivateDirectory } from './secret-files.ts'

/** NATS credentials: the text of a `.creds` file, which holds the user's seed, and the key that a revocation names. */
export interface Credentials {
  readonly creds: Uint8Array
  readonly publicKey: string
}

/** Credentials with exactly the permissions of one identity. The user is remembered first, so that it can be withdrawn. */
export async function createCredentials(plane: Plane, kind: IdentityKind, id: string): Promise<Credentials> {
  const granted = permissions(plane.region, kind, id)
  const made = await encodeCredentials(plane, accountOf(kind), `${kind}_${id}`, granted)
  const { users } = planePaths(plane.dir)
  await makePrivateDirectory(users)
  await createSecretFile(join(users, `${kind}.${id}.${made.publicKey}`), '')
  return made
}

/** Without `granted` the user may do everything in its account: for STORE's provisioning credential and SYS alone. */
export async function encodeCredentials(
  { keys }: Pick<Plane, 'keys'>,
  account: Account,
  name: string,
  granted?: Permissions,
): Promise<Credentials> {
  const user = createUser()
  const claims = granted && { pub: { allow: [...granted.pub] }, sub: { allow: [...granted.sub] } }
  const jwt = await encodeUser(name, user, keys.accounts[account], claims ?? {})
  return { creds: fmtCreds(jwt, user), publicKey: user.getPublicKey() }
}

/** Every user that was ever made for an identity, by public key. */
export async function usersOf({ dir }: Pick<Plane, 'dir'>, kind: IdentityKind, id: string): Promise<readonly string[]> {
  const names = await readdir(planePaths(dir).users).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  })
  return names
    .map((name) => name.split('.'))
    .filter(({ length, 0: ofKind, 1: ofId }) => length === 3 && ofKind === kind && ofId === id)
    .map(([, , publicKey = '']) => publicKey)
}

/** The user's public key in the text of a `.creds` file; undefined where that holds no login. */
export function userIn(creds: Uint8Array): string | undefined {
  const jwt = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(Buffer.from(creds).toString('latin1'))?.[1]
  try {
    return jwt === undefined ? undefined : decode(jwt).sub
  } catch {
    return undefined
  }
}
