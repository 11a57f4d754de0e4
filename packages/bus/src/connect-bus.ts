import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { type IdentityKind, inboxPrefix } from '@writ/contracts'
import { type Bus, createBus } from './bus.ts'
import { Link, unavailable } from './link.ts'
import type { OnStatus } from './status.ts'

export interface BusConfig {
  /** `nats://host:port` or `tls://host:port`, one or several of a cluster. */
  readonly servers: string | readonly string[]
  /** The text of the `.creds` file. */
  readonly credentials: string
  readonly region: string
  readonly kind: IdentityKind
  readonly id: string
  /** What the server's monitoring shows; absent: `<kind>_<id>`. */
  readonly name?: string
  /** Absent: what goes wrong in the background is not seen. */
  readonly onStatus?: OnStatus
  /** Keep trying until a server answers or `signal` aborts; absent: one try. */
  readonly waitOnFirstConnect?: boolean
  readonly signal?: AbortSignal
  /** Requests that wait for their answers at a time; absent: 4096. One more is `unavailable`. */
  readonly inFlightMax?: number
}

const RETRY_MS = 1000
const IN_FLIGHT_MAX = 4096

/**
 * Connects as one identity, and from then on again for ever, also after the server refused the login (a revoked
 * credential): `onStatus` tells. @throws Fault `unavailable`: no server answered, or it refused. What `signal` aborts with.
 */
export async function connectBus(config: BusConfig): Promise<Bus> {
  const { region, kind, id, onStatus = () => undefined, inFlightMax = IN_FLIGHT_MAX } = config
  const prefix = inboxPrefix(kind, id)
  const nc = await firstConnection(config, prefix, onStatus)
  const link = new Link(nc, onStatus)
  link.report({ type: 'connected' })
  const inbox = `${prefix}.${randomBytes(16).toString('base64url')}`
  return createBus(link, { region, kind, id, inbox, inFlightMax })
}

/** The library can wait too, but cannot be told to stop waiting. */
async function firstConnection(config: BusConfig, prefix: string, onStatus: OnStatus): Promise<NatsConnection> {
  const { waitOnFirstConnect = false, signal } = config
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await connect(connectionOptions(config, prefix))
    } catch (cause) {
      if (!waitOnFirstConnect) throw unavailable('The message bus cannot be reached.', cause)
      onStatus({ type: 'error', error: cause })
      await delay(RETRY_MS, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
        // The timer wraps the reason in an error of its own.
        signal?.throwIfAborted()
        throw error
      })
    }
  }
}

function connectionOptions({ servers, credentials, kind, id, name = `${kind}_${id}` }: BusConfig, inbox: string) {
  return {
    servers: typeof servers === 'string' ? servers : [...servers],
    authenticator: credsAuthenticator(new TextEncoder().encode(credentials)),
    inboxPrefix: inbox,
    name,
    timeout: 5000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 1000,
    reconnectJitter: 500,
    ignoreAuthErrorAbort: true,
    // A dead network is noticed within a minute.
    pingInterval: 20_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  }
}
