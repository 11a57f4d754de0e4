import type { NatsConnection } from '@nats-io/transport-node'
import { type Account, accountOf, Fault, type IdentityKind } from '@writ/contracts'
import { accountJwt } from './account-jwt.ts'
import type { Plane } from './plane.ts'
import { rememberRevoked, revocationsOf } from './revoked-users.ts'
import { usersOf } from './users.ts'

const PUSH_TIMEOUT_MS = 5000
const PUSHES_MAX = 10

/**
 * Withdraws every NATS credential that was made for an identity: its connections close (within about 200 ms) and a login
 * is refused. It does not touch tokens, records or keys: `revoke` does. Answers how many users were withdrawn.
 * Remembered before it is pushed, so a server that starts later refuses them too. `system`: a connection to SYS.
 */
export async function revokeCredentials(
  plane: Plane,
  system: NatsConnection,
  kind: IdentityKind,
  id: string,
  nowSeconds: number,
): Promise<number> {
  const account = accountOf(kind)
  const [users, before] = await Promise.all([usersOf(plane, kind, id), revocationsOf(plane, account)])
  for (const user of users.filter((key) => before[key] === undefined))
    await rememberRevoked(plane, account, user, nowSeconds)
  await pushAccount(plane, system, account)
  return users.length
}

/** Replaces an account's JWT on every server, with everything that is withdrawn by now. */
export async function pushAccount(plane: Plane, system: NatsConnection, account: Account): Promise<void> {
  // Another tool may withdraw at the same time: the last push must hold what both remembered.
  for (let n = 0; n < PUSHES_MAX; n++) {
    const revocations = await revocationsOf(plane, account)
    await push(system, await accountJwt(plane.region, plane.keys, account, revocations))
    const after = await revocationsOf(plane, account)
    if (Object.keys(after).length === Object.keys(revocations).length) return
  }
  throw new Fault('unavailable', { message: 'Others withdraw credentials all the time; try again.' })
}

async function push(system: NatsConnection, jwt: string): Promise<void> {
  const reply = await system
    .request('$SYS.REQ.CLAIMS.UPDATE', jwt, { timeout: PUSH_TIMEOUT_MS })
    .catch((cause: unknown) => {
      throw new Fault('unavailable', { message: 'The NATS server did not answer the account update.', cause })
    })
  const { data, error } = reply.json<{ data?: { code?: number }; error?: unknown }>()
  if (error !== undefined || data?.code !== 200)
    throw new Fault('unavailable', { message: 'The NATS server refused the account update.', cause: error ?? data })
}
