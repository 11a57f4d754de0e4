import { setTimeout as sleep } from 'node:timers/promises'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { Fault } from '@writ/contracts'
import { type Plane, planePaths } from './plane.ts'
import { readSecretFile } from './secret-files.ts'

export interface ConnectOptions {
  /** How long to try while the server starts; 0: once. */
  readonly waitMs?: number
}

const RETRY_MS = 100

/** The only login to STORE: streams, consumers, and reading everything. For this tool alone. The caller closes it. */
export function connectStore(plane: Plane, options: ConnectOptions = {}): Promise<NatsConnection> {
  return login(plane, planePaths(plane.dir).storeCredentials, 'plane_store', options)
}

/** The system account: pushing account JWTs. The caller closes it. */
export function connectSystem(plane: Plane, options: ConnectOptions = {}): Promise<NatsConnection> {
  return login(plane, planePaths(plane.dir).systemCredentials, 'plane_system', options)
}

/** Throws Fault `unavailable` when the server does not take the login in time. */
async function login(
  plane: Plane,
  credentials: string,
  name: string,
  { waitMs = 0 }: ConnectOptions,
): Promise<NatsConnection> {
  const creds = await readSecretFile(credentials)
  if (creds === undefined)
    throw new Fault('unavailable', { message: `The credentials file ${credentials} is missing.` })
  const authenticator = credsAuthenticator(new Uint8Array(creds))
  const servers = plane.natsUrl.split(',')
  const open = () => connect({ servers, authenticator, name, inboxPrefix: `_INBOX_${name}`, reconnect: false })
  const deadline = performance.now() + waitMs
  for (;;) {
    try {
      return await open()
    } catch (cause) {
      if (performance.now() >= deadline)
        throw new Fault('unavailable', { message: `NATS at ${plane.natsUrl} does not take the login.`, cause })
      await sleep(RETRY_MS)
    }
  }
}
