import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Account } from '@writ/contracts'
import { errnoOf } from '@writ/durable'
import type { Revocations } from './account-jwt.ts'
import { type Plane, planePaths } from './plane.ts'
import { createSecretFile, makePrivateDirectory } from './secret-files.ts'

// One file a withdrawn user: two tools that revoke at once cannot lose one another's entry.

/** NATS compares with the second in which the credentials were issued; a user key is never issued twice. */
const CLOCK_STEP_SECONDS = 3600

/** Every user of an account whose credentials were withdrawn. */
export async function revocationsOf({ dir }: Pick<Plane, 'dir'>, account: Account): Promise<Revocations> {
  const names = await readdir(planePaths(dir).revoked).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  })
  const entries = names.map((name) => name.split('.')).filter(({ length, 0: of }) => length === 3 && of === account)
  return Object.fromEntries(entries.map(([, publicKey = '', second]) => [publicKey, Number(second)]))
}

/** Remembers that a user's credentials are withdrawn. Effective when the account's JWT has been pushed. */
export async function rememberRevoked(
  { dir }: Pick<Plane, 'dir'>,
  account: Account,
  publicKey: string,
  nowSeconds: number,
): Promise<void> {
  const { revoked } = planePaths(dir)
  await makePrivateDirectory(revoked)
  await createSecretFile(join(revoked, `${account}.${publicKey}.${nowSeconds + CLOCK_STEP_SECONDS}`), '')
}
