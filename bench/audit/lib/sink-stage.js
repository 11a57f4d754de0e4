import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { built } from '../../lib/built.js'
import { freePort } from '../../lib/free-port.js'
import { startBenchNats } from './bench-nats.js'
import { plantMessages } from './plant-messages.js'

const REGION = 'bench-1'
const DOMAIN = 'bench.example'
const PUBLISH_IN_FLIGHT = 512
const STREAM_BYTES_MAX = 16 * 2 ** 30
const ROLES = ['intent-gateway', 'policy-evaluator', 'token-issuer', 'audit-sink']

/**
 * A real nats-server, a plant that records into it, and the real audit-sink as its own process, writing into a directory store or whatever
 * `storeUrl` names.
 *
 * @param {{ root: string, log: (line: string) => void, storeUrl?: string, sinkEnv?: NodeJS.ProcessEnv, nodeArgs?: readonly string[] }} options
 */
export async function openSinkStage(options) {
  const { root } = options
  const modules = {
    planes: await built(root, 'packages/plane'),
    bus: await built(root, 'packages/bus'),
    contracts: await built(root, 'packages/contracts'),
    keys: await built(root, 'packages/keys'),
  }
  const nats = await startBenchNats({ root, region: REGION, domain: DOMAIN, streamBytesMax: STREAM_BYTES_MAX })
  try {
    const paths = modules.planes.planePaths(nats.plane.dir)
    const { openSigner } = modules.keys
    const anchors = await Promise.all(
      ROLES.map(async (role) => [role, await openSigner(`file:${paths.anchorKey(role)}`)]),
    )
    const operator = await openSigner(`file:${paths.rootOperatorKey}`)
    const signers = { root: operator, anchors: Object.fromEntries(anchors) }
    const startSeconds = Math.floor(Date.now() / 1000) - 80_000
    const plant = await plantMessages({ root, region: REGION, startSeconds, signers })
    const stage = new SinkStage(options, modules, nats, plant, await nats.start())
    await stage.genesis(operator)
    return stage
  } catch (error) {
    await nats.stop()
    throw error
  }
}

export class SinkStage {
  /** @type {Map<string, any>} */
  #buses = new Map()
  /** @type {Set<Promise<unknown>>} */
  #underWay = new Set()

  /**
   * @param {Parameters<typeof openSinkStage>[0]} options
   * @param {{ planes: any, bus: any, contracts: any, keys: any }} modules
   * @param {Awaited<ReturnType<typeof startBenchNats>>} nats
   * @param {Awaited<ReturnType<typeof plantMessages>>} plant
   * @param {any} store
   */
  constructor(options, modules, nats, plant, store) {
    this.options = options
    this.modules = modules
    this.nats = nats
    this.plant = plant
    this.store = store
    this.log = options.log
    this.at = modules.contracts.subjects(REGION)
  }

  /** A connection of one identity. @param {string} kind @param {string} id */
  async busOf(kind, id) {
    const known = this.#buses.get(kind)
    if (known !== undefined) return known
    const { planes, bus } = this.modules
    if (kind === 'gateway') await planes.ensureGatewayConsumer(this.store, REGION, id)
    const { creds } = await planes.createCredentials(this.nats.plane, kind, id)
    const credentials = new TextDecoder().decode(creds)
    const config = { servers: this.nats.natsUrl, credentials, region: REGION, kind, id, inFlightMax: 4096 }
    const connected = await bus.connectBus(config)
    this.#buses.set(kind, connected)
    return connected
  }

  /** @param {any} operator */
  async genesis(operator) {
    const { controlMessage } = this.modules.contracts
    const iat = Math.floor(Date.now() / 1000)
    const said = { iat, jti: 'g1', prev: 0, reason: 'bench', command: 'genesis', stream: 's1' }
    const genesis = await this.modules.keys.signMessage(operator, controlMessage, {
      iss: 'root',
      aud: `writ:${REGION}`,
      ...said,
    })
    const bus = await this.busOf('operator', 'root')
    await bus.store(this.at.control('root'), genesis, { stream: 'CONTROL' })
  }

  /** In order, a source's messages one after another in the stream; many under way. @param {readonly import('./plant-source.js').Message[]} messages */
  async publish(messages) {
    for (const { stream, source, body } of messages) {
      const [kind = '', id = '', boot = ''] = source.split('/')
      const bus = await this.busOf(kind, id)
      while (this.#underWay.size >= PUBLISH_IN_FLIGHT) await Promise.race(this.#underWay)
      const stored = bus.store(this.at.audit(kind, id, boot), body, { stream, timeoutMs: 30_000 })
      const done = stored.finally(() => this.#underWay.delete(done))
      this.#underWay.add(done)
    }
  }

  async published() {
    await Promise.all(this.#underWay)
  }

  /** @param {{ filling?: boolean }} [how] */
  async restartNats(how) {
    await this.#disconnect()
    this.store = await this.nats.start(how)
  }

  /** Messages that the streams hold. */
  async waiting() {
    const { streams } = await jetstreamManager(this.store)
    const [audit, edge] = await Promise.all(['AUDIT', 'AUDIT_EDGE'].map((name) => streams.info(name)))
    return (audit?.state.messages ?? 0) + (edge?.state.messages ?? 0)
  }

  async startSink() {
    const { planes } = this.modules
    const { plane, dir } = this.nats
    const port = await freePort()
    const { enrolmentFile } = await planes.enrol(plane, { kind: 'audit-sink', id: 's0', outDir: join(dir, 'sink') })
    const out = await open(join(dir, 'sink.log'), 'a')
    const { root, storeUrl, sinkEnv, nodeArgs = [] } = this.options
    const paths = planes.planePaths(plane.dir)
    const env = {
      PATH: process.env['PATH'],
      WRIT_MODE: 'development',
      WRIT_ENROLMENT: enrolmentFile,
      WRIT_STATE_DIR: join(dir, 'sink-state'),
      WRIT_ANCHOR_KEY: `file:${paths.anchorKey('audit-sink')}`,
      WRIT_STORE: storeUrl ?? `file:${join(dir, 'store')}`,
      WRIT_LOG_KEY: `file:${paths.logKey}`,
      WRIT_LOG_DOMAIN: DOMAIN,
      WRIT_HEALTH_PORT: String(port),
      ...sinkEnv,
    }
    const stdio = /** @type {const} */ (['ignore', out.fd, out.fd])
    const child = spawn(process.execPath, [...nodeArgs, join(root, 'services/audit-sink/dist/main.js')], {
      env,
      stdio: [...stdio],
    })
    await out.close()
    return new Sink(child, `http://127.0.0.1:${port}/metrics`, join(dir, 'sink.log'))
  }

  async close() {
    await this.#disconnect().catch(() => undefined)
    await this.nats.stop()
  }

  async #disconnect() {
    for (const bus of this.#buses.values()) await bus[Symbol.asyncDispose]()
    this.#buses.clear()
    await this.store.close()
  }
}

class Sink {
  /** @param {import('node:child_process').ChildProcess} child @param {string} url @param {string} logFile */
  constructor(child, url, logFile) {
    this.child = child
    this.pid = child.pid ?? 0
    this.url = url
    this.logFile = logFile
  }

  /** Entries that it has brought into the log; 0 while it does not answer. Throws when it has ended. */
  async entries() {
    if (this.child.exitCode !== null)
      throw new Error(`audit-sink ended: ${(await readFile(this.logFile, 'utf8')).slice(-2000)}`)
    const text = await fetch(this.url).then(
      (response) => response.text(),
      () => '',
    )
    return Number(/^writ_log_sealed_entries_total(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1] ?? 0)
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exited = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    await exited
  }
}
