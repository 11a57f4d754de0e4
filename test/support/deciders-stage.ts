import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { type Bus, connectBus } from '@writ/bus'
import {
  type AuditEvent,
  auditMessage,
  type Control,
  commandMessage,
  controlMessage,
  type Decision,
  decideRpc,
  type IdentityKind,
  type Intent,
  intentMessage,
  issueRpc,
  REGISTRY_KINDS,
  type RecordKind,
  type RecordOf,
  type Report,
  type Result,
  type Rpc,
  reportMessage,
  type ServiceRole,
  type StreamName,
  subjects,
  type Token,
} from '@writ/contracts'
import { ephemeralSigner, openMessage, openSigner, parseJws, type Signer, sha256, signMessage } from '@writ/keys'
import { createCredentials, planePaths } from '@writ/plane'
import type { z } from 'zod'
import type { Overrides as EvaluatorOverrides } from '../../services/policy-evaluator/src/index.ts'
import { startPolicyEvaluator } from '../../services/policy-evaluator/src/index.ts'
import { type Overrides, startTokenIssuer } from '../../services/token-issuer/src/index.ts'
import { reachBusAt } from './bus-gate.ts'
import { freePorts, startNats, type TestNats } from './nats.ts'
import { AUDIENCE, freshId, nowSeconds, REGION } from './world.ts'

const at = subjects(REGION)
const BUNDLE_FILE = new URL('../../policies/bundle/bundle.tar.gz', import.meta.url)
const ROOT = new URL('../..', import.meta.url).pathname

export interface Running extends AsyncDisposable {
  readonly healthUrl: string
}

/**
 * A real server with the project's accounts and the real policy bundle, on which the test plays operator, agent `a1`,
 * intent-gateway and the gateways `g1` (devices `d1`, `d2`) and `g2` (`d3`) with real keys, and the deciders are the real ones.
 */
export class DecidersStage implements AsyncDisposable {
  readonly nats: TestNats
  readonly root: Signer
  readonly intentGateway: Bus
  readonly gateway: Bus
  readonly operator: Bus
  readonly bundle: Uint8Array
  readonly #signers = new Map<string, Signer>()
  readonly #versions = new Map<string, number>()
  readonly #running: AsyncDisposable[] = []
  #controlSeq = 0

  private constructor(
    given: Pick<DecidersStage, 'nats' | 'root' | 'intentGateway' | 'gateway' | 'operator' | 'bundle'>,
  ) {
    this.nats = given.nats
    this.root = given.root
    this.intentGateway = given.intentGateway
    this.gateway = given.gateway
    this.operator = given.operator
    this.bundle = given.bundle
  }

  static async open(): Promise<DecidersStage> {
    const nats = await startNats({ region: REGION })
    const connect = async (kind: IdentityKind, id: string) =>
      connectBus({
        servers: nats.url,
        credentials: new TextDecoder().decode((await createCredentials(nats.plane, kind, id)).creds),
        region: REGION,
        kind,
        id,
      })
    const stage = new DecidersStage({
      nats,
      root: await openSigner(`file:${planePaths(nats.plane.dir).rootOperatorKey}`),
      intentGateway: await connect('intent-gateway', 'ig-1'),
      gateway: await connect('gateway', 'g1'),
      operator: await connect('operator', 'root'),
      bundle: await readFile(BUNDLE_FILE),
    })
    await stage.control({ command: 'genesis', stream: 's1' })
    await stage.publish(stage.bundle)
    await stage.file('policy', 'active', { bundle_sha256: sha256(stage.bundle), revision: 'r1' })
    for (const id of ['g1', 'g2'])
      await stage.file('gateway', id, { keys: [stage.signerOf(id).jwk], jurisdiction: REGION })
    for (const [id, gateway_id] of Object.entries({ d1: 'g1', d2: 'g1', d3: 'g2' })) {
      const actions = ['restart', 'telemetry-read', 'config-change']
      await stage.file('device', id, { gateway_id, group: 'hall', jurisdiction: REGION, actions })
    }
    const ceiling = { users: ['u1'], actions: ['restart', 'telemetry-read', 'config-change'], groups: ['hall'] }
    await stage.file('agent', 'a1', { keys: [stage.signerOf('a1').jwk], ...ceiling })
    return stage
  }

  signerOf(id: string): Signer {
    const signer = this.#signers.get(id) ?? ephemeralSigner()
    this.#signers.set(id, signer)
    return signer
  }

  async file<K extends RecordKind>(kind: K, id: string, record: RecordOf<K> | null): Promise<void> {
    const version = (this.#versions.get(`${kind}.${id}`) ?? 0) + 1
    this.#versions.set(`${kind}.${id}`, version)
    const iat = nowSeconds()
    const claims = { iss: 'root', aud: AUDIENCE, iat, exp: iat + 300, jti: freshId('c'), kind, id, version, record }
    const command = await signMessage(this.root, commandMessage, { ...claims, reason: 'test' } as never)
    const stream = REGISTRY_KINDS.some((name) => name === kind) ? 'REGISTRY' : 'SIGNERS'
    await this.intentGateway.store(at.registry(kind, id), command, { stream })
  }

  async publish(bundle: Uint8Array, digest: string = sha256(bundle)): Promise<void> {
    await this.operator.store(at.bundle(digest), bundle, { stream: 'POLICIES' })
  }

  /** Publishes a control message and returns its sequence. */
  async control(claims: Partial<Control> & object): Promise<number> {
    const body = {
      iss: 'root',
      aud: AUDIENCE,
      iat: nowSeconds(),
      jti: freshId('k'),
      reason: 'test',
      prev: this.#controlSeq,
    }
    const message = await signMessage(this.root, controlMessage, { ...body, ...claims } as never)
    const expectLast = { seq: this.#controlSeq, subject: at.controlAll }
    const { seq } = await this.operator.store(at.control('root'), message, { stream: 'CONTROL', expectLast })
    this.#controlSeq = seq
    return seq
  }

  evaluator(id: string, overrides: EvaluatorOverrides = {}): Promise<Running> {
    return this.#start('policy-evaluator', id, (config) =>
      startPolicyEvaluator({ ...config, inFlightMax: 256 }, overrides),
    )
  }

  issuer(id: string, redisUrl: string, overrides: Overrides = {}): Promise<Running> {
    return this.#start('token-issuer', id, (config) =>
      startTokenIssuer({ ...config, redisUrl, inFlightMax: 256 }, overrides),
    )
  }

  /** A built issuer as a process of its own, ready; `natsUrl`: by which way it reaches the server. The test kills it. */
  async issuerProcess(id: string, redisUrl: string, natsUrl = this.nats.url): Promise<ChildProcess> {
    const config = await this.#config('token-issuer', id)
    await reachBusAt(config.enrolmentFile, natsUrl)
    const main = join(ROOT, 'services/token-issuer/dist/main.js')
    const [port = 0] = await freePorts(1)
    const child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        WRIT_MODE: 'development',
        WRIT_ENROLMENT: config.enrolmentFile,
        WRIT_STATE_DIR: config.stateDir,
        WRIT_ANCHOR_KEY: config.anchorKey,
        WRIT_HEALTH_PORT: `${port}`,
        WRIT_LOG_LEVEL: 'error',
        WRIT_REDIS_URL: redisUrl,
      },
    })
    this.#running.push({ [Symbol.asyncDispose]: () => killed(child) })
    await until(`issuer ${id} is ready`, async () => (await readiness(`http://127.0.0.1:${port}`))?.ready === true)
    return child
  }

  async #start(role: ServiceRole, id: string, start: (config: ConfigOf) => Promise<Running>): Promise<Running> {
    const running = await start(await this.#config(role, id))
    let stopped: Promise<void> | undefined
    const once = {
      healthUrl: running.healthUrl,
      [Symbol.asyncDispose]: async () => {
        stopped ??= Promise.resolve(running[Symbol.asyncDispose]())
        await stopped
      },
    }
    this.#running.push(once)
    await until(`${role} ${id} is ready`, async () => (await readiness(running.healthUrl))?.ready === true)
    return once
  }

  async #config(role: ServiceRole, id: string): Promise<ConfigOf> {
    const { enrolmentFile } = await this.nats.enrol({ kind: role, id })
    return {
      enrolmentFile,
      stateDir: join(this.nats.dir, 'state', `${role}-${id}`),
      anchorKey: `file:${planePaths(this.nats.plane.dir).anchorKey(role)}`,
      healthPort: 0,
      healthHost: '127.0.0.1',
      logLevel: 'silent',
      mode: 'development',
      replicas: 1,
      auditOutboxBytes: 64 * 2 ** 20,
      stopTimeoutMs: 5000,
    }
  }

  intent(changes: Partial<Intent> = {}, signer?: Signer): Promise<string> {
    const iat = nowSeconds()
    const claims = {
      iss: 'a1',
      aud: AUDIENCE,
      iat,
      exp: iat + 60,
      jti: freshId('i'),
      on_behalf_of: 'u1',
      purpose: 'test',
    }
    const wish = { action: 'telemetry-read', targets: ['d1'], ...changes }
    return signMessage(signer ?? this.signerOf(changes.iss ?? 'a1'), intentMessage, { ...claims, ...wish })
  }

  async report(deviceId: string, changes: Partial<Report> = {}): Promise<string> {
    const now = nowSeconds()
    const report = await signMessage(this.signerOf('g1'), reportMessage, {
      iss: 'g1',
      aud: AUDIENCE,
      iat: now,
      device_id: deviceId,
      state: { kind: 'press', mode: 'running', guard: 'closed', firmware: '2.4.1' },
      observed_at: now,
      address: '10.20.0.7',
      ...changes,
    })
    await this.gateway.store(at.report('g1', deviceId), report, { stream: 'REPORTS' })
    return report
  }

  async ask<Req extends z.ZodType, Rep extends z.ZodType>(
    rpc: Rpc<Req, Rep>,
    request: z.input<Req>,
  ): Promise<z.output<Rep>> {
    const subject = at.rpc(rpc.subject.slice('rpc.'.length) as never)
    const reply = await this.intentGateway.ask(subject, JSON.stringify(request), { timeoutMs: 10_000 })
    return rpc.reply.parse(JSON.parse(new TextDecoder().decode(reply)))
  }

  /** An intent, decided by whoever serves; the decision and what goes with it to the issuer. */
  async decided(intent: string) {
    const reply = await this.ask(decideRpc, { intent, approvals: [], attestations: [] })
    if (!reply.ok) throw Object.assign(new Error(reply.message), reply)
    const { decision, reports } = reply
    const claims = parseJws(decision, 100_000).payload as unknown as Decision
    return { claims, request: { intent, decision, reports, earlier: [], approvals: [], attestations: [] } }
  }

  /** A token for `g1`, the whole way. */
  async token(changes: Partial<Intent> = {}): Promise<{ token: string; claims: Token; intent: string }> {
    const intent = await this.intent(changes)
    const { request } = await this.decided(intent)
    const reply = await this.ask(issueRpc, { gateway_id: 'g1', ...request })
    if (!reply.ok) throw Object.assign(new Error(reply.message), reply)
    return { token: reply.token, claims: parseJws(reply.token, 100_000).payload as unknown as Token, intent }
  }

  /** `ok`, or the code of the no, of whoever serves. */
  async redeemed(body: string): Promise<string> {
    const reply = parseJws(await this.gateway.request(at.redeem('g1'), body, { timeoutMs: 10_000 }), 100_000)
    return reply.typ === 'writ-redeemed+jwt' ? 'ok' : ((reply.payload as unknown as Result).code ?? 'no code')
  }

  /** Every event that the stream AUDIT holds now. */
  async audited(type: AuditEvent['type']): Promise<AuditEvent[]> {
    const jsm = await jetstreamManager(this.nats.store)
    const found: AuditEvent[] = []
    const { state } = await jsm.streams.info('AUDIT')
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const stored = await jsm.direct.getMessage('AUDIT', { seq })
      if (stored !== null) found.push(...openMessage(auditMessage, stored.data).claims.events)
    }
    return found.filter((event) => event.type === type)
  }

  async stored(stream: StreamName, subject: string): Promise<string | undefined> {
    const jsm = await jetstreamManager(this.nats.store)
    return (await jsm.direct.getMessage(stream, { last_by_subj: subject }))?.string()
  }

  /** A message under `control.*` that will vanish. */
  async controlWithTtl(ttlSeconds: number): Promise<void> {
    await this.operator.store(at.control('root'), 'void', { stream: 'CONTROL', ttlSeconds })
  }

  async lastControl(): Promise<{ seq: number; ttl: boolean }> {
    const last = await this.operator.lastBySubject('CONTROL', at.controlAll)
    return { seq: last?.seq ?? 0, ttl: last?.ttl ?? false }
  }

  /** From now on the stream takes nothing, until the result is called. */
  async fill(stream: StreamName): Promise<() => Promise<void>> {
    const jsm = await jetstreamManager(this.nats.store)
    const { state } = await jsm.streams.info(stream)
    await jsm.streams.update(stream, { max_msgs: Math.max(1, state.messages) })
    return async () => void (await jsm.streams.update(stream, { max_msgs: -1 }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.splice(0).toReversed()) await running[Symbol.asyncDispose]()
    for (const bus of [this.gateway, this.operator, this.intentGateway]) await bus[Symbol.asyncDispose]()
    await this.nats.stop()
  }
}

type ConfigOf = Parameters<typeof startPolicyEvaluator>[0] extends infer C ? Omit<C, 'inFlightMax'> : never

export async function readiness(url: string): Promise<{ ready: boolean; checks: Record<string, string> } | undefined> {
  try {
    return (await (await fetch(`${url}/readyz`)).json()) as { ready: boolean; checks: Record<string, string> }
  } catch {
    return undefined
  }
}

export async function until(what: string, look: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  for (const end = performance.now() + withinMs; !(await look()); await sleep(20))
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
}

export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
