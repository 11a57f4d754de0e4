import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import type { IdentityKind } from '@writ/contracts'
import {
  connectStore,
  connectSystem,
  createCredentials,
  createPlane,
  ensureGatewayConsumer,
  ensureStreams,
  type Plane,
  revokeCredentials,
  serverConfig,
} from '@writ/plane'
import { resolveTool } from '../../../tools/src/index.ts'
import { type Bus, type BusConfig, type BusStatus, connectBus } from '../index.ts'

export const REGION = 'eusc-de-east-1'

/** A real server with the real accounts, permissions and streams, on a free loopback port in a temporary folder. */
export interface TestPlane {
  readonly url: string
  /** The provisioning login to STORE, of this start of the server. */
  readonly store: NatsConnection
  connect(kind: IdentityKind, id: string, options?: Partial<BusConfig>): Promise<TestBus>
  credentials(kind: IdentityKind, id: string): Promise<string>
  /** Withdraws every credential of an identity. */
  withdraw(kind: IdentityKind, id: string): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** On the same port and folder. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface TestBus extends Bus {
  readonly statuses: BusStatus[]
}

export async function startTestPlane(env: NodeJS.ProcessEnv, gateways: readonly string[] = []): Promise<TestPlane> {
  const { path } = await resolveTool('nats-server', { env, log: () => undefined })
  const dir = await mkdtemp(join(tmpdir(), 'writ-bus-'))
  const port = await freePort()
  const url = `nats://127.0.0.1:${port}`
  const plane = await createPlane({ dir, region: REGION, natsUrl: url, logName: 'test/log' })
  const config = join(dir, 'server.conf')
  await writeFile(config, await serverConfig(plane, { dataDir: join(dir, 'data'), port }))
  let server: ChildProcess | undefined
  let store: NatsConnection | undefined
  const start = async (): Promise<void> => {
    server = spawn(path, ['-c', config], { stdio: 'ignore' })
    store = await connectStore(plane, { waitMs: 20_000 })
  }
  const kill = async (): Promise<void> => {
    await store?.close()
    if (server === undefined || server.exitCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }
  await start()
  await provision(store, gateways)
  const buses: Bus[] = []
  return {
    url,
    get store() {
      if (store === undefined) throw new Error('not started')
      return store
    },
    credentials: (kind, id) => credentialsOf(plane, kind, id),
    connect: async (kind, id, options) => {
      const statuses: BusStatus[] = []
      const credentials = await credentialsOf(plane, kind, id)
      const onStatus = (status: BusStatus) => statuses.push(status)
      const bus = await connectBus({ servers: url, credentials, region: REGION, kind, id, onStatus, ...options })
      buses.push(bus)
      return Object.assign(bus, { statuses })
    },
    withdraw: async (kind, id) => {
      const system = await connectSystem(plane)
      await revokeCredentials(plane, system, kind, id, Math.floor(Date.now() / 1000))
      await system.close()
    },
    kill,
    start,
    stop: async () => {
      await Promise.all(buses.map((bus) => bus[Symbol.asyncDispose]()))
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function provision(store: NatsConnection | undefined, gateways: readonly string[]): Promise<void> {
  if (store === undefined) throw new Error('not started')
  await ensureStreams(store, { region: REGION })
  for (const id of gateways) await ensureGatewayConsumer(store, REGION, id)
}

async function credentialsOf(plane: Plane, kind: IdentityKind, id: string): Promise<string> {
  return new TextDecoder().decode((await createCredentials(plane, kind, id)).creds)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Until it holds: something that happens in its own time. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await condition()); await sleep(5))
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`)
}

export const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data)
