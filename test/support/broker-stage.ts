import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { type Authority, AuthorityReader, createAuthority, planIdOf, scopeOf } from '@writ/authority'
import { type Bus, connectBus, type Delivery } from '@writ/bus'
import {
  ANY,
  type Answer,
  type Approval,
  type AuditEvent,
  type AuditMessage,
  answerMessage,
  approvalMessage,
  approvalRequestMessage,
  attestationMessage,
  auditMessage,
  type Cancel,
  cancelMessage,
  closeRpc,
  commandMessage,
  controlMessage,
  type Decision,
  decideRpc,
  decisionMessage,
  endedRpc,
  type IdentityKind,
  type Intent,
  intentMessage,
  issueRpc,
  keyMessage,
  listRpc,
  type Outcome,
  outcomeMessage,
  type Plan,
  planMessage,
  type Query,
  queryMessage,
  type RecordKind,
  type RecordOf,
  type Result,
  type Rpc,
  resultMessage,
  type ServiceRole,
  type Status,
  statusMessage,
  subjects,
  type Token,
  tokenMessage,
} from '@writ/contracts'
import { digestOf, ephemeralSigner, openMessage, openSigner, type Signer, signJws, signMessage } from '@writ/keys'
import { createCredentials, planePaths } from '@writ/plane'
import type { z } from 'zod'
import { type Config, type Overrides, startIntentGateway } from '../../services/intent-gateway/src/index.ts'
import { reachBusAt } from './bus-gate.ts'
import { startNats, type TestNats } from './nats.ts'
import { freshId, nowSeconds, OBLIGATIONS, REGION } from './world.ts'

export const at = subjects(REGION)
export const AUD = `writ:${REGION}`

type Request<R extends Rpc> = z.output<R['request']>
type Reply<R extends Rpc> = z.input<R['reply']>
/** What a played service says; undefined: nothing, as one that died. */
type Play<R extends Rpc> = (request: Request<R>) => Promise<Reply<R> | undefined> | Reply<R> | undefined

/**
 * A real server with the real accounts, a real intent-gateway, and every other party played by the test with real keys: operator,
 * agents, gateways, approvers, policy-evaluator and token-issuer. Agent `a1` for `u1`; devices `d1`, `d2` on `g1` and `d3` on `g2`.
 */
export class BrokerStage implements AsyncDisposable {
  readonly nats: TestNats
  readonly authority: Authority
  readonly root: Signer
  /** Another than `silent` shows what the services log, to see why a test fails. */
  readonly logLevel: Config['logLevel'] = 'silent'
  /** `WRIT_STORE` of the services: where they look for legal holds. Absent: nowhere. */
  store: string | undefined
  readonly signers = new Map<string, Signer>()
  readonly services = new Map<ServiceRole, Signer>()
  readonly calls: { rpc: string; request: never }[] = []
  readonly tokens = new Map<string, string>()
  readonly plans: { plan: Plan; compact: string; digest: string }[] = []
  readonly #buses = new Map<string, Bus>()
  readonly #running: AsyncDisposable[] = []
  readonly #versions = new Map<string, number>()
  #reader: AuthorityReader | undefined
  #controlSeq = 0

  decide: Play<typeof decideRpc> = async (request) => ({
    ok: true,
    decision: await this.decisionOf(request),
    reports: [],
  })
  issue: Play<typeof issueRpc> = async (request) => ({ ok: true, token: await this.tokenOf(request) })
  close: Play<typeof closeRpc> = ({ intent, gateways }) => ({ ok: true, plans: this.closedOf(intent, gateways, 0) })
  ended: Play<typeof endedRpc> = () => ({ ok: true })
  list: Play<typeof listRpc> = () => ({ ok: true, items: [...this.tokens.values()] })
  /** What a gateway does with a plan. Absent: it is acknowledged and nothing is done. */
  onPlan: (gateway: string, plan: Plan) => Promise<void> | void = () => undefined

  private constructor(nats: TestNats, root: Signer) {
    this.nats = nats
    this.root = root
    this.authority = createAuthority(REGION, nats.plane.trust)
  }

  static async open(): Promise<BrokerStage> {
    const nats = await startNats({ region: REGION })
    const stage = new BrokerStage(nats, await openSigner(`file:${planePaths(nats.plane.dir).rootOperatorKey}`))
    await stage.#open()
    return stage
  }

  async #open(): Promise<void> {
    await this.control({ command: 'genesis', stream: 's1' })
    for (const role of ['policy-evaluator', 'token-issuer', 'attestation-verifier'] as const) await this.#endorse(role)
    const evaluator = await this.bus('policy-evaluator', 'pe0')
    const issuer = await this.bus('token-issuer', 'ti0')
    this.#reader = new AuthorityReader(this.authority, (stream, read) => evaluator.read(stream, read))
    await this.#play(evaluator, decideRpc, (request) => this.decide(request))
    await this.#play(issuer, issueRpc, (request) => this.issue(request))
    await this.#play(issuer, closeRpc, (request) => this.close(request))
    await this.#play(issuer, endedRpc, (request) => this.ended(request))
    await this.#play(issuer, listRpc, (request) => this.list(request))
    for (const gateway of ['g1', 'g2']) {
      await this.nats.enrol({ kind: 'gateway', id: gateway })
      const bus = await this.bus('gateway', gateway)
      bus.consume({ stream: 'PLANS', consumer: `gateway-${gateway}`, inFlightMax: 8 }, (delivery) =>
        this.#takePlan(gateway, delivery),
      )
    }
  }

  async #takePlan(gateway: string, delivery: Delivery): Promise<void> {
    const { claims, jws } = openMessage(planMessage, delivery.data)
    this.plans.push({ plan: claims, compact: jws.compact, digest: jws.digest })
    await delivery.ack()
    await this.onPlan(gateway, claims)
  }

  async #play<R extends Rpc>(bus: Bus, rpc: R, play: Play<R>): Promise<void> {
    const name = rpc.subject.slice('rpc.'.length) as Parameters<typeof at.rpc>[0]
    await bus.answer(at.rpc(name), { inFlightMax: 64, onFault: () => undefined }, async ({ data }) => {
      const request = rpc.request.parse(JSON.parse(Buffer.from(data).toString())) as Request<R>
      this.calls.push({ rpc: rpc.subject, request: request as never })
      const reply = await play(request)
      if (reply === undefined) throw new Error('stays silent')
      return JSON.stringify(rpc.reply.parse(reply))
    })
  }

  async #endorse(role: ServiceRole): Promise<void> {
    const signer = ephemeralSigner()
    this.services.set(role, signer)
    const anchor = await openSigner(`file:${planePaths(this.nats.plane.dir).anchorKey(role)}`)
    const iat = nowSeconds() - 10
    const { kid, jwk } = signer
    const claims = { iss: role, aud: AUD, iat, exp: iat + 3600, role, kid, jwk, instance: 'i0', boot: 'b0' }
    const endorsement = await signMessage(anchor, keyMessage, claims)
    const bus = await this.bus(role, role === 'policy-evaluator' ? 'pe0' : role === 'token-issuer' ? 'ti0' : 'av0')
    await bus.store(at.registry('key', kid), endorsement, { stream: 'SIGNERS' })
  }

  service(role: ServiceRole): Signer {
    const signer = this.services.get(role)
    if (signer === undefined) throw new Error(`no ${role}`)
    return signer
  }

  /** The key of a party, made at first use. */
  signer(kind: string, id: string): Signer {
    const name = `${kind}/${id}`
    const signer = this.signers.get(name) ?? ephemeralSigner()
    this.signers.set(name, signer)
    return signer
  }

  async bus(kind: IdentityKind, id: string): Promise<Bus> {
    const name = `${kind}/${id}`
    const known = this.#buses.get(name)
    if (known !== undefined) return known
    const { creds } = await createCredentials(this.nats.plane, kind, id)
    const bus = await connectBus({
      servers: this.nats.url,
      credentials: new TextDecoder().decode(creds),
      region: REGION,
      kind,
      id,
    })
    this.#buses.set(name, bus)
    return bus
  }

  /** Reads SIGNERS, REGISTRY and CONTROL into the stage's own authority. */
  async read(): Promise<Authority> {
    await this.#reader?.registry()
    await this.#reader?.control()
    return this.authority
  }

  // ---- The service itself -------------------------------------------------------------------------------------------

  async config(id: string): Promise<Config> {
    const { enrolmentFile } = await this.nats.enrol({ kind: 'intent-gateway', id })
    const paths = planePaths(this.nats.plane.dir)
    return {
      enrolmentFile,
      stateDir: join(this.nats.dir, `state-${id}`),
      anchorKey: `file:${paths.anchorKey('intent-gateway')}`,
      wrapKey: `file:${paths.wrapKey}`,
      ...(this.store !== undefined && { store: this.store }),
      inFlightMax: 64,
      healthPort: 0,
      healthHost: '127.0.0.1',
      logLevel: this.logLevel,
      mode: 'development',
      replicas: 1,
      auditOutboxBytes: 64 * 2 ** 20,
      stopTimeoutMs: 5000,
    }
  }

  /** In this process. */
  async start(id = 'ig0', overrides: Overrides = {}): Promise<AsyncDisposable> {
    const running = await startIntentGateway(await this.config(id), overrides)
    this.#running.push(running)
    return running
  }

  /** As its own process, from what was built: for `kill -9`; `natsUrl`: by which way it reaches the server. Resolves when it is ready. */
  async spawn(id = 'ig0', natsUrl = this.nats.url): Promise<ChildProcess> {
    const config = await this.config(id)
    await reachBusAt(config.enrolmentFile, natsUrl)
    const main = fileURLToPath(new URL('../../services/intent-gateway/dist/main.js', import.meta.url))
    const child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        WRIT_ENROLMENT: config.enrolmentFile,
        WRIT_STATE_DIR: config.stateDir,
        WRIT_ANCHOR_KEY: config.anchorKey,
        WRIT_WRAP_KEY: config.wrapKey,
        ...(config.store !== undefined && { WRIT_STORE: config.store }),
        WRIT_MODE: 'development',
      },
    })
    this.#running.push({ [Symbol.asyncDispose]: () => kill(child) })
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (this.logLevel !== 'silent') process.stderr.write(chunk)
    })
    await until(() => /"url":"([^"]+)"/.test(text) || child.exitCode !== null, 20_000)
    const url = /"url":"([^"]+)"/.exec(text)?.[1] ?? ''
    await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200, 20_000)
    return child
  }

  // ---- Operators ----------------------------------------------------------------------------------------------------

  async control(claims: object): Promise<number> {
    const iat = nowSeconds()
    const envelope = { iss: 'root', aud: AUD, iat, jti: freshId('k'), reason: 'test', prev: this.#controlSeq }
    const message = await signMessage(this.root, controlMessage, { ...envelope, ...claims } as never)
    const operator = await this.bus('operator', 'root')
    const { seq } = await operator.store(at.control('root'), message, { stream: 'CONTROL' })
    this.#controlSeq = seq
    return seq
  }

  /** A message in CONTROL that nobody who may has signed: void, and part of the chain. */
  async voidControl(): Promise<void> {
    const operator = await this.bus('operator', 'root')
    const { seq } = await operator.store(at.control('root'), 'not a message', { stream: 'CONTROL' })
    this.#controlSeq = seq
  }

  async command(kind: RecordKind, id: string, record: unknown, changes: object = {}, by = this.root): Promise<string> {
    const iat = nowSeconds()
    const version = (this.#versions.get(`${kind}.${id}`) ?? 0) + 1
    const claims = { iss: 'root', aud: AUD, iat, exp: iat + 300, jti: freshId('c'), kind, id, version, record }
    return signMessage(by, commandMessage, { ...claims, reason: 'test', ...changes } as never)
  }

  async sendCommand(body: string, as = 'root'): Promise<Result> {
    const operator = await this.bus('operator', as)
    return openMessage(resultMessage, await operator.request(at.command(as), body)).claims
  }

  /** Files a record through the service, as operators do. */
  async file<K extends RecordKind>(kind: K, id: string, record: RecordOf<K> | null): Promise<void> {
    const result = await this.sendCommand(await this.command(kind, id, record))
    if (!result.ok) throw new Error(`${kind} ${id}: ${result.code} ${result.message}`)
    this.#versions.set(`${kind}.${id}`, result.version ?? 0)
  }

  async fileAll(): Promise<void> {
    const keys = (kind: string, id: string) => [this.signer(kind, id).jwk]
    for (const id of ['g1', 'g2']) await this.file('gateway', id, { keys: keys('gateway', id), jurisdiction: REGION })
    for (const [id, gateway_id] of [
      ['d1', 'g1'],
      ['d2', 'g1'],
      ['d3', 'g2'],
    ] as const) {
      const actions = ['restart', 'telemetry-read']
      await this.file('device', id, { gateway_id, group: 'hall', jurisdiction: REGION, actions })
    }
    await this.file('agent', 'a1', {
      keys: keys('agent', 'a1'),
      users: ['u1'],
      actions: ['restart', 'telemetry-read'],
      groups: ['hall'],
      unfinished_max: 1000,
    })
    for (const [id, user] of [
      ['p1', 'boss1'],
      ['p2', 'boss2'],
    ] as const)
      await this.file('approver', id, { keys: keys('approver', id), user, roles: ['manager'] })
    await this.file('policy', 'active', { bundle_sha256: 'A'.repeat(43), revision: 'r1' })
  }

  // ---- Agents -------------------------------------------------------------------------------------------------------

  intent(changes: Partial<Intent> = {}, signer?: Signer): Promise<string> {
    const iat = nowSeconds()
    const claims = {
      iss: 'a1',
      aud: AUD,
      iat,
      exp: iat + 60,
      jti: freshId('i'),
      on_behalf_of: 'u1',
      action: 'restart',
      targets: ['d1'],
      purpose: 'test',
      ...changes,
    }
    return signMessage(signer ?? this.signer('agent', claims.iss), intentMessage, claims)
  }

  async intentClaims(): Promise<Intent> {
    return openMessage(intentMessage, await this.intent()).claims
  }

  /** A message by the agent's key that our own `signMessage` would refuse to sign. */
  signAnything(typ: string, claims: object): Promise<string> {
    return signJws(this.signer('agent', 'a1'), typ, claims)
  }

  cancel(intent: string, changes: Partial<Cancel> = {}): Promise<string> {
    const iat = nowSeconds()
    const claims = { iss: 'a1', aud: AUD, iat, exp: iat + 60, jti: freshId('x'), intent_digest: digestOf(intent) }
    return signMessage(this.signer('agent', 'a1'), cancelMessage, { ...claims, ...changes })
  }

  async send(body: string | Uint8Array, agent = 'a1'): Promise<void> {
    await (await this.bus('agent', agent)).store(at.intent(agent), body, { stream: 'INTENTS' })
  }

  /** The last status under an id; undefined: there is none. */
  async status(id: string, agent = 'a1'): Promise<Status | undefined> {
    const stored = await (await this.bus('agent', agent)).last('STATUS', at.status(agent, id))
    return stored === undefined ? undefined : openMessage(statusMessage, stored.data).claims
  }

  async statusSeq(id: string, agent = 'a1'): Promise<number> {
    return (await (await this.bus('agent', agent)).last('STATUS', at.status(agent, id)))?.seq ?? 0
  }

  /** Waits until the intent is in one of the states. */
  async reaches(id: string, ...states: Status['state'][]): Promise<Status> {
    let last: Status | undefined
    try {
      await until(async () => {
        last = await this.status(id)
        return last !== undefined && states.includes(last.state)
      }, 15_000)
    } catch (cause) {
      throw new Error(`${id} is ${JSON.stringify(last)}, not ${states.join()}`, { cause })
    }
    return last as Status
  }

  async ask(
    kind: 'agent' | 'operator' | 'approver',
    id: string,
    query: Pick<Query, 'what' | 'args'>,
  ): Promise<Uint8Array> {
    const iat = nowSeconds()
    const signer = kind === 'operator' ? this.root : this.signer(kind, id)
    const claims = { iss: id, aud: AUD, iat, exp: iat + 30, jti: freshId('q'), ...query }
    const body = await signMessage(signer, queryMessage, claims)
    return (await this.bus(kind, id)).request(at.query(kind, id), body)
  }

  async answer(
    kind: 'agent' | 'operator' | 'approver',
    id: string,
    query: Pick<Query, 'what' | 'args'>,
  ): Promise<Answer> {
    return openMessage(answerMessage, await this.ask(kind, id, query)).claims
  }

  async refusal(
    kind: 'agent' | 'operator' | 'approver',
    id: string,
    query: Pick<Query, 'what' | 'args'>,
  ): Promise<string | undefined> {
    return openMessage(resultMessage, await this.ask(kind, id, query)).claims.code
  }

  statusIn(item: string): Status {
    return openMessage(statusMessage, item).claims
  }

  // ---- Approvers ----------------------------------------------------------------------------------------------------

  /** An approver's word on what an approval request shows. */
  approve(id: string, request: string, changes: Partial<Approval> = {}): Promise<string> {
    const { intent, decision } = openMessage(approvalRequestMessage, request).claims
    const iat = nowSeconds()
    const claims = { iss: id, aud: AUD, iat, exp: iat + 300, jti: freshId('y'), verdict: 'approve' as const }
    return signMessage(this.signer('approver', id), approvalMessage, {
      ...claims,
      intent_digest: digestOf(intent),
      decision_digest: digestOf(decision),
      ...changes,
    })
  }

  async sendApproval(id: string, body: string): Promise<Result> {
    return openMessage(resultMessage, await (await this.bus('approver', id)).request(at.approval(id), body)).claims
  }

  /** Stores a good result about an agent's host. */
  async attest(agent: string, profile: string): Promise<void> {
    const iat = nowSeconds()
    const result = await signMessage(this.service('attestation-verifier'), attestationMessage, {
      iss: 'attestation-verifier',
      aud: AUD,
      iat,
      exp: iat + 300,
      request: 'A'.repeat(43),
      sub: `agent/${agent}`,
      cnf: { jkt: this.signer('agent', agent).kid },
      profile,
      evidence_sha256: 'A'.repeat(43),
      policy_sha256: 'A'.repeat(43),
      submods: { host: { 'ear.status': 'affirming' } },
    })
    const bus = await this.bus('attestation-verifier', 'av0')
    await bus.store(at.attestation('agent', agent), result, { stream: 'ATTESTATIONS' })
  }

  // ---- Gateways -----------------------------------------------------------------------------------------------------

  outcome(plan: Plan, changes: Partial<Outcome> = {}): Promise<string> {
    const step = plan.steps[0]
    const intent = openMessage(intentMessage, plan.intent)
    const claims = {
      iss: plan.gateway_id,
      aud: AUD,
      iat: nowSeconds(),
      plan_id: plan.plan_id,
      intent_digest: intent.jws.digest,
      step_id: step?.step_id ?? 's0',
      device_id: step?.device_id ?? 'd1',
      action: intent.claims.action,
      state: 'succeeded' as const,
      ...changes,
    }
    return signMessage(this.signer('gateway', plan.gateway_id), outcomeMessage, claims)
  }

  async report(gateway: string, body: string): Promise<void> {
    await (await this.bus('gateway', gateway)).store(at.outcome(gateway), body, { stream: 'OUTCOMES' })
  }

  /** Does every step of each plan that arrives: started, then succeeded. */
  succeed(): void {
    this.onPlan = async (gateway, plan) => {
      for (const { step_id, device_id } of plan.steps)
        for (const state of ['started', 'succeeded'] as const)
          await this.report(gateway, await this.outcome(plan, { step_id, device_id, state }))
    }
  }

  plansOf(intent: string): Plan[] {
    return this.plans.filter(({ plan }) => plan.intent === intent).map(({ plan }) => plan)
  }

  callsOf(rpc: Rpc, intent: string): number {
    return this.calls.filter(
      (call) => call.rpc === rpc.subject && (call.request as { intent?: string }).intent === intent,
    ).length
  }

  // ---- What policy-evaluator and token-issuer say -------------------------------------------------------------------

  async decisionOf(request: Request<typeof decideRpc>, changes: Partial<Decision> = {}): Promise<string> {
    const { trust } = await this.read()
    const { claims } = openMessage(intentMessage, request.intent)
    const approvers = request.approvals.map(
      (body) => (JSON.parse(Buffer.from(body.split('.')[1] ?? '', 'base64url').toString()) as { iss: string }).iss,
    )
    const records = [
      trust.record('agent', claims.iss),
      ...claims.targets.map((id) => trust.record('device', id)),
      ...approvers.map((id) => trust.record('approver', id)),
      trust.record('policy', 'active'),
    ].flatMap((record) => record?.digest ?? [])
    const iat = nowSeconds()
    return signMessage(this.service('policy-evaluator'), decisionMessage, {
      iss: 'policy-evaluator',
      aud: AUD,
      iat,
      exp: iat + 60,
      intent_digest: digestOf(request.intent),
      input_sha256: 'A'.repeat(43),
      policy: { version: trust.version('policy', 'active'), bundle_sha256: 'A'.repeat(43) },
      outcome: 'allow',
      reasons: [],
      ...(request.first !== undefined && { first: request.first }),
      ...(request.shown !== undefined && { shown: request.shown }),
      approvals: request.approvals.map(digestOf),
      attestations: request.attestations.map(digestOf),
      reports: [],
      records,
      obligations: OBLIGATIONS,
      ...changes,
    })
  }

  /** The one token of an intent and gateway; asked again, the same bytes. */
  async tokenOf(request: Request<typeof issueRpc>, changes: Partial<Token> = {}): Promise<string> {
    const digest = digestOf(request.intent)
    const plan_id = planIdOf(digest, request.gateway_id)
    const kept = this.tokens.get(plan_id)
    if (kept !== undefined) return kept
    const { trust, control } = await this.read()
    const { claims } = openMessage(intentMessage, request.intent)
    const decision = openMessage(decisionMessage, request.decision)
    const devices = claims.targets
      .map((id) => trust.record('device', id))
      .filter((device) => device?.record.gateway_id === request.gateway_id)
      .flatMap((device) => device ?? [])
    const named = new Set(decision.claims.records)
    const used = [
      trust.record('agent', claims.iss),
      ...devices,
      ...trust.ids('approver').map((id) => trust.record('approver', id)),
      trust.record('policy', 'active'),
    ].flatMap((record) => (record !== undefined && named.has(record.digest) ? [record.digest] : []))
    const iat = nowSeconds()
    const token = await signMessage(this.service('token-issuer'), tokenMessage, {
      iss: AUD,
      sub: claims.iss,
      aud: request.gateway_id,
      jti: freshId('t'),
      iat,
      nbf: iat,
      exp: iat + 300,
      scope: scopeOf(
        claims.action,
        devices.map(({ id }) => ({ step_id: 's', device_id: id })),
      ),
      cnf: { jkt: this.signer('gateway', request.gateway_id).kid },
      intent_digest: digest,
      decision_digest: decision.jws.digest,
      plan_id,
      user: claims.on_behalf_of,
      groups: ['hall'],
      records: used,
      rev: control.rev,
      max_uses: decision.claims.obligations.max_uses,
      ...changes,
    })
    this.tokens.set(plan_id, token)
    return token
  }

  /** As token-issuer counts: each step of these gateways redeemed so often. */
  closedOf(intent: string, gateways: readonly string[], redeemed: number) {
    const { claims, jws } = openMessage(intentMessage, intent)
    return gateways.map((gateway_id) => ({
      plan_id: planIdOf(jws.digest, gateway_id),
      gateway_id,
      steps: claims.targets.flatMap((id, index) =>
        this.authority.trust.record('device', id)?.record.gateway_id === gateway_id
          ? [{ step_id: `s${index}`, redeemed }]
          : [],
      ),
    }))
  }

  // ---- Evidence -----------------------------------------------------------------------------------------------------

  /** Every message of intent-gateways in AUDIT, in order. */
  async audit(): Promise<AuditMessage[]> {
    const sink = await this.bus('audit-sink', 'as0')
    const messages: AuditMessage[] = []
    for await (const { data } of sink.read('AUDIT', { fromSeq: 1, filter: at.audit('intent-gateway', ANY, ANY) }))
      messages.push(openMessage(auditMessage, data).claims)
    return messages
  }

  async events(): Promise<AuditEvent[]> {
    return (await this.audit()).flatMap(({ events }) => events)
  }

  /** How long a message that a dead replica held waits before another gets it. */
  async ackWait(seconds: number): Promise<void> {
    const jsm = await jetstreamManager(this.nats.store)
    for (const stream of ['INTENTS', 'OUTCOMES'])
      await jsm.consumers.update(stream, 'intent-gateway', { ack_wait: seconds * 1e9 })
  }

  /** Makes AUDIT refuse every message, until the result is called. */
  async fillAudit(): Promise<() => Promise<void>> {
    const jsm = await jetstreamManager(this.nats.store)
    const { config, state } = await jsm.streams.info('AUDIT')
    await jsm.streams.update('AUDIT', { max_bytes: Math.max(1, state.bytes) })
    return async () => {
      await jsm.streams.update('AUDIT', { max_bytes: config.max_bytes })
    }
  }

  /** How many values are filed under a name. */
  async filedVersions(kind: 'agent', id: string): Promise<number> {
    let count = 0
    const operator = await this.bus('operator', 'root')
    for await (const _ of operator.read('REGISTRY', { fromSeq: 1, filter: at.registry(kind, id) })) count++
    return count
  }

  /** Sets everything that a test may have changed back. */
  reset(): void {
    this.decide = async (request) => ({ ok: true, decision: await this.decisionOf(request), reports: [] })
    this.issue = async (request) => ({ ok: true, token: await this.tokenOf(request) })
    this.close = ({ intent, gateways }) => ({ ok: true, plans: this.closedOf(intent, gateways, 0) })
    this.ended = () => ({ ok: true })
    this.onPlan = () => undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.reverse()) await running[Symbol.asyncDispose]()
    for (const bus of this.#buses.values()) await bus[Symbol.asyncDispose]()
    await this.nats.stop()
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Until it holds: something that happens in its own time. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await condition()); await sleep(10))
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`)
}
