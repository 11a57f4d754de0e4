import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { type IdentityKind, inboxPrefix } from '@writ/contracts'
import {
  connectStore,
  createCredentials,
  createPlane,
  type EnrolmentPackage,
  type EnrolOptions,
  enrol,
  ensureGatewayConsumer,
  ensureStreams,
  type Plane,
  serverConfig,
} from '@writ/plane'
import { resolveTool } from '@writ/tools'

export interface NatsOptions {
  /** `test-1` unless told otherwise. */
  readonly region?: string
  /** 3: a cluster of three servers, every stream with three replicas. */
  readonly replicas?: 1 | 3
  /** An existing plane's keys, for a server with other data and another address. */
  readonly plane?: Plane
}

/**
 * A real nats-server in operator mode on a free loopback port, with the project's accounts, streams and consumers, made by
 * `@writ/plane` in a temporary folder. Stop it (`await using`, or `stop` in `afterAll`): the folder goes with it.
 *
 *     const nats = await startNats()
 *     const agent = await nats.login('agent', 'A')              // exactly that identity's permissions
 *     const { enrolmentFile } = await nats.enrol({ kind: 'gateway', id: 'G', key: 'ES256' })
 */
export interface TestNats extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>`; of a cluster, all of them with commas between. */
  readonly url: string
  readonly plane: Plane
  /** The temporary folder, for whatever else a test needs to keep. */
  readonly dir: string
  /** STORE's provisioning credential: sees and may do everything there. Closed by `stop`; not reconnecting. */
  readonly store: NatsConnection
  /** A connection with exactly one identity's permissions and inbox; a gateway's consumer is made first. Closed by `stop`. */
  login(kind: IdentityKind, id: string, options?: { readonly reconnect?: boolean }): Promise<NatsConnection>
  /** An enrolment package in a folder of its own below `dir`, unless `outDir` is given. */
  enrol(options: Omit<EnrolOptions, 'outDir'> & { readonly outDir?: string }): Promise<EnrolmentPackage>
  /** `kill -9` of every server. `store` and other connections that do not reconnect are gone. */
  kill(): Promise<void>
  /** `kill -STOP` of every server: connections stay, and nothing is answered until `resume`. */
  pause(): void
  resume(): void
  /** Starts the servers again with the same address and data. `store` is a new connection then. */
  start(): Promise<void>
  stop(): Promise<void>
}

const START_WAIT_MS = 20_000
const STARTS_MAX = 5
const RETRY_MS = 100

/** Starts NATS as every test of this project uses it. nats-server is found, or installed, by the project's resolver. */
export async function startNats(options: NatsOptions = {}): Promise<TestNats> {
  const { path } = await resolveTool('nats-server', {
    env: process.env,
    log: (line) => process.stderr.write(`${line}\n`),
  })
  for (let n = 1; ; n++) {
    const servers = new Servers(path, options, await mkdtemp(join(tmpdir(), 'writ-nats-')))
    try {
      await servers.create()
      return servers
    } catch (error) {
      // Between choosing a free port and listening on it another process may take it.
      await servers.stop()
      if (n === STARTS_MAX || !String(error).includes('address already in use')) throw error
    }
  }
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(probes.map((probe) => once(probe, 'listening')))
  return probes.map((probe) => {
    const address = probe.address()
    probe.close()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
}

class Servers implements TestNats {
  readonly dir: string
  url = ''
  readonly #binary: string
  readonly #region: string
  readonly #replicas: number
  readonly #given: Plane | undefined
  readonly #homes: string[] = []
  readonly #opened = new Set<NatsConnection>()
  #children: ChildProcess[] = []
  #plane: Plane | undefined
  #store: NatsConnection | undefined
  readonly #killAll = () => {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  constructor(binary: string, { region = 'test-1', replicas = 1, plane }: NatsOptions, dir: string) {
    this.dir = dir
    this.#given = plane
    this.#binary = binary
    this.#region = region
    this.#replicas = replicas
  }

  get plane(): Plane {
    if (this.#plane === undefined) throw new Error('NATS has not been started')
    return this.#plane
  }

  get store(): NatsConnection {
    if (this.#store === undefined) throw new Error('NATS has not been started')
    return this.#store
  }

  async create(): Promise<void> {
    const [ports, routes] = [await freePorts(this.#replicas), await freePorts(this.#replicas)]
    this.url = ports.map((port) => `nats://127.0.0.1:${port}`).join(',')
    this.#plane = this.#given
      ? { ...this.#given, natsUrl: this.url }
      : await createPlane({
          dir: join(this.dir, 'plane'),
          region: this.#region,
          natsUrl: this.url,
          logName: `test.writ.example/${this.#region}`,
        })
    for (const [n, port] of ports.entries()) {
      const home = await mkdtemp(join(this.dir, `server-${n}-`))
      const cluster = {
        serverName: `n${n}`,
        listen: `127.0.0.1:${routes[n]}`,
        routes: routes.map((route) => `nats://127.0.0.1:${route}`),
      }
      const text = await serverConfig(this.plane, { dataDir: home, port, ...(this.#replicas > 1 && { cluster }) })
      await writeFile(join(home, 'server.conf'), text)
      this.#homes.push(home)
    }
    process.once('exit', this.#killAll)
    await this.start()
  }

  async start(): Promise<void> {
    this.#children = await Promise.all(this.#homes.map((home) => this.#spawn(home)))
    const gone = this.#children.map(async (child, n) => {
      await once(child, 'exit')
      throw new Error(`nats-server ended: ${await readFile(join(this.#homes[n] ?? '', 'log'), 'utf8')}`)
    })
    const ready = this.#ready()
    for (const promise of [...gone, ready]) promise.catch(() => {})
    await Promise.race([ready, ...gone])
  }

  async login(kind: IdentityKind, id: string, { reconnect = false } = {}): Promise<NatsConnection> {
    if (kind === 'gateway') await ensureGatewayConsumer(this.store, this.#region, id)
    const { creds } = await createCredentials(this.plane, kind, id)
    const connection = await connect({
      servers: this.url.split(','),
      authenticator: credsAuthenticator(creds),
      inboxPrefix: inboxPrefix(kind, id),
      name: `${kind}_${id}`,
      reconnect,
    })
    this.#opened.add(connection)
    return connection
  }

  enrol({
    outDir,
    ...options
  }: Omit<EnrolOptions, 'outDir'> & { readonly outDir?: string }): Promise<EnrolmentPackage> {
    return enrol(this.plane, {
      ...options,
      outDir: outDir ?? join(this.dir, 'enrolled', `${options.kind}-${options.id}`),
    })
  }

  async kill(): Promise<void> {
    const ended = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    this.#killAll()
    await Promise.all(ended.map((child) => (child.exitCode ?? child.signalCode) === null && once(child, 'exit')))
    this.#children = []
  }

  pause(): void {
    for (const child of this.#children) child.kill('SIGSTOP')
  }

  resume(): void {
    for (const child of this.#children) child.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killAll)
    await Promise.all([...this.#opened, this.#store].map((connection) => connection?.close().catch(() => {})))
    await this.kill()
    await rm(this.dir, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #spawn(home: string): Promise<ChildProcess> {
    const log = await open(join(home, 'log'), 'a')
    try {
      return spawn(this.#binary, ['-c', join(home, 'server.conf')], { stdio: ['ignore', log.fd, log.fd] })
    } finally {
      await log.close()
    }
  }

  async #ready(): Promise<void> {
    this.#store = await connectStore(this.plane, { waitMs: START_WAIT_MS })
    // A cluster elects its leaders after it takes logins.
    for (const deadline = performance.now() + START_WAIT_MS; ; await sleep(RETRY_MS)) {
      try {
        await ensureStreams(this.#store, { region: this.#region, replicas: this.#replicas })
        return
      } catch (error) {
        if (this.#replicas === 1 || performance.now() > deadline) throw error
      }
    }
  }
}
