import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type Agent, ask as askService, connectAgent, type SubmittedIntent } from '@writ/agent-sdk'
import { entriesAbout } from '@writ/audit'
import { type Bus, connectBus } from '@writ/bus'
import { ensureRecord, publishControl } from '@writ/cli'
import {
  answerMessage,
  keyMessage,
  type PublicJwk,
  queryMessage,
  type RecordOf,
  type Rpc,
  resultMessage,
  type ServiceRole,
  type Status,
  type StreamName,
  type Token,
} from '@writ/contracts'
import { type ActionContext, type Gateway, startGateway } from '@writ/gateway-sdk'
import { ephemeralSigner, openSigner, type Signer, signMessage } from '@writ/keys'
import { connectStore, createCredentials, enrol, planePaths } from '@writ/plane'
import { type Approver, openApprover } from './approver.ts'
import { type LocalStack, REGION } from './local-stack.ts'
import { type LocalJson, Outsider, until } from './outsider.ts'
import { OutsiderGateway } from './outsider-gateway.ts'
import { makeKey, open } from './outsider-jws.ts'
import { ownProcess } from './own-process.ts'
import { redisCommand } from './redis.ts'

export const USER = 'u-lea'
export const ACTIONS = ['telemetry-read', 'restart', 'firmware-update']

type Behaviour = (context: ActionContext) => Promise<Record<string, string>> | Record<string, string>

/** A gateway of this process, made with the SDK; what its devices do is up to the test. */
export interface LabGateway {
  readonly gateway: Gateway
  readonly calls: ActionContext[]
  readonly refused: string[]
  /** What the next actions on a device do; without it they succeed. */
  readonly behave: Map<string, Behaviour>
  /** Actions on the device run until the test lets them go, or their signal aborts. */
  hold(deviceId: string): { readonly release: () => void }
  callsOf(intent: { readonly digest: string }): readonly ActionContext[]
}

/** The running stack with a laboratory in it: an agent, gateways that the test holds, and what an attacker may have stolen. */
export class Lab implements AsyncDisposable {
  readonly local: LocalStack
  readonly store: NatsConnection
  readonly jsm: JetStreamManager
  readonly #opened: AsyncDisposable[] = []
  #agent: Agent | undefined

  private constructor(local: LocalStack, store: NatsConnection, jsm: JetStreamManager) {
    this.local = local
    this.store = store
    this.jsm = jsm
  }

  static async open(local: LocalStack): Promise<Lab> {
    const store = await connectStore(local.stack.plane)
    const lab = new Lab(local, store, await jetstreamManager(store))
    lab.#agent = await lab.newAgent('lab-agent')
    return lab
  }

  get agent(): Agent {
    if (this.#agent === undefined) throw new Error('the lab is not open')
    return this.#agent
  }

  get stack(): LocalStack['stack'] {
    return this.local.stack
  }

  async newAgent(id: string, user: string = USER): Promise<Agent> {
    const dir = await this.#enrolled('agent', id, (keys) => ({
      keys,
      users: [user],
      actions: ACTIONS,
      groups: ['lab', 'press-hall'],
      unfinished_max: 1000,
    }))
    return this.#own(await connectAgent({ enrolment: dir }))
  }

  async device(id: string, gateway_id: string, more: Partial<RecordOf<'device'>> = {}): Promise<void> {
    const { region } = this.stack.plane
    const record = { gateway_id, group: 'lab', jurisdiction: region, actions: ACTIONS, ...more }
    await ensureRecord(this.stack.operator, { kind: 'device', id, record, reason: 'The laboratory.' })
  }

  /** @param natsPort where its connection goes, when not straight to the server. */
  async gateway(id: string, natsPort?: number): Promise<LabGateway> {
    const dir = await this.#enrolled('gateway', id, (keys) => ({
      keys,
      jurisdiction: this.stack.plane.region,
    }))
    const enrolment = join(dir, 'enrolment.json')
    if (natsPort !== undefined) {
      const text = JSON.parse(await readFile(enrolment, 'utf8')) as object
      await writeFile(enrolment, JSON.stringify({ ...text, nats_url: `nats://127.0.0.1:${natsPort}` }))
    }
    const [calls, refused]: [ActionContext[], string[]] = [[], []]
    const behave = new Map<string, Behaviour>()
    const act = (context: ActionContext) => {
      calls.push(context)
      return behave.get(context.deviceId)?.(context) ?? { done: 'yes' }
    }
    const gateway = await startGateway({
      enrolment,
      key: join(dir, 'key.jwk'),
      stateDir: join(this.local.home, 'lab', id),
      actions: Object.fromEntries(ACTIONS.map((action) => [action, act])),
      log: {
        info: () => undefined,
        error: () => undefined,
        warn: (fields, message) => {
          if (message === 'A plan is refused.') refused.push((fields as { reason: string }).reason)
        },
      },
      stopWithinMs: 1000,
    })
    this.#own(gateway)
    await gateway.ready
    return {
      gateway,
      calls,
      refused,
      behave,
      hold: (deviceId) => hold(behave, deviceId),
      callsOf: (intent) => calls.filter(({ intentDigest }) => intentDigest === intent.digest),
    }
  }

  /** A gateway that does nothing but what the test does with its key. */
  async rawGateway(id: string): Promise<OutsiderGateway> {
    const key = await makeKey()
    const dir = this.stack.paths.identity('gateway', id)
    await enrol(this.stack.plane, { kind: 'gateway', id, outDir: dir })
    const record = { keys: [key.jwk as PublicJwk], jurisdiction: REGION }
    await ensureRecord(this.stack.operator, { kind: 'gateway', id, record, reason: 'The laboratory.' })
    const local = JSON.parse(await readFile(this.stack.paths.localJson, 'utf8')) as LocalJson
    return new OutsiderGateway(this.#own(await Outsider.connect(local, dir, key)))
  }

  submit(targets: readonly string[], action = 'telemetry-read', agent: Agent = this.agent): Promise<SubmittedIntent> {
    const params = action === 'firmware-update' ? { params: { version: '2.5.0' } } : {}
    return agent.submit({ action, targets, onBehalfOf: USER, purpose: 'A promise is tested.', ...params })
  }

  /** The status, once it says this, or anything at all. */
  state(intent: SubmittedIntent, state?: Status['state']): Promise<Status> {
    return until(`${intent.id} is ${state ?? 'known'}`, async () => {
      const status = await this.agent.status(intent.id)
      return status?.intent_digest === intent.digest && (state ?? status.state) === status.state ? status : undefined
    })
  }

  /** The final status, in the tests' time. */
  async end(intent: SubmittedIntent): Promise<Status> {
    return (await intent.done(AbortSignal.timeout(30_000))).status
  }

  /** Revokes something for as long as the work takes, and until an intent for the device goes through again. */
  async withdrawn(scope: string, id: string, deviceId: string, work: () => Promise<void>): Promise<void> {
    const seq = await this.revoke(scope, id)
    try {
      await work()
    } finally {
      await this.lift(seq, deviceId)
    }
  }

  /** Resolves when an intent for the device goes through again. */
  async lift(lifts: number, deviceId: string): Promise<void> {
    await publishControl(this.stack.operator, { command: 'lift', lifts }, 'It is over.')
    await until('it is lifted everywhere', async () => {
      const { state, reasons } = await this.end(await this.submit([deviceId]))
      if (state !== 'succeeded' && !reasons.some(({ code }) => code === 'revoked')) throw new Error(`it ends ${state}`)
      return state === 'succeeded'
    })
  }

  /** Nothing more goes into the stream while the work is done. */
  async whileFull<T>(stream: StreamName, work: () => Promise<T>): Promise<T> {
    const { max_bytes } = (await this.jsm.streams.info(stream)).config
    await this.jsm.streams.update(stream, { max_bytes: 1 })
    try {
      return await work()
    } finally {
      await this.jsm.streams.update(stream, { max_bytes })
    }
  }

  async revoke(scope: string, id: string): Promise<number> {
    const word = { command: 'revoke', scope, ...(scope !== 'all' && { id }) } as const
    return (await publishControl(this.stack.operator, word, 'A promise is tested.')).seq
  }

  /** Stops a process of the stack where it is, until `resume`. */
  pause(name: string): { readonly resume: () => void } {
    const running = ownProcess(this.stack, name)
    running.signal('SIGSTOP')
    return { resume: () => running.signal('SIGCONT') }
  }

  kill(name: string): void {
    ownProcess(this.stack, name).signal('SIGKILL')
  }

  /** Takes everything out of Redis. */
  async emptyRedis(): Promise<void> {
    const { redis_url } = JSON.parse(await readFile(this.stack.paths.localJson, 'utf8')) as { redis_url: string }
    await redisCommand(redis_url, 'FLUSHALL')
  }

  /** The log's entries about an intent have these types. */
  logged(intent: { readonly digest: string }, ...wanted: readonly string[]): Promise<boolean> {
    return until(`the log has ${wanted.join(', ')}`, async () => {
      const entries = await entriesAbout(this.stack.paths.store, this.stack.plane.logName, intent.digest)
      const types = entries.flatMap((entry) => entry.types)
      return wanted.every((type) => types.includes(type))
    })
  }

  /** What a service's NATS login may do, in an attacker's hands. */
  async stolenLogin(role: ServiceRole): Promise<Bus> {
    const file = join(this.stack.paths.service(role, '0'), 'nats.creds')
    const made = async () => new TextDecoder().decode((await createCredentials(this.stack.plane, role, '0')).creds)
    const credentials = await readFile(file, 'utf8').catch(made)
    const servers = this.stack.plane.natsUrl
    return this.#own(await connectBus({ servers, credentials, region: REGION, kind: role, id: '0' }))
  }

  /** A key of the attacker's that the role's own, stolen anchor endorses, filed with the role's stolen login. */
  async stolenAnchor(role: ServiceRole, login: Bus): Promise<Signer> {
    const anchor = await openSigner(`file:${planePaths(this.stack.plane.dir).anchorKey(role)}`)
    const signer = ephemeralSigner()
    const iat = Math.floor(Date.now() / 1000) - 600
    const endorsement = await signMessage(anchor, keyMessage, {
      ...{ iss: role, aud: `writ:${REGION}`, iat, exp: iat + 3600, role, kid: signer.kid, jwk: signer.jwk },
      ...{ instance: '0', boot: 'stolen' },
    })
    await login.store(this.stack.operator.subjects.registry('key', signer.kid), endorsement, { stream: 'SIGNERS' })
    return signer
  }

  /** Asks a service as another service would. */
  async rpc<R extends Rpc>(as: Bus, rpc: R, request: object): Promise<{ ok: boolean } & Record<string, unknown>> {
    const { subjects } = this.stack.operator
    const name = rpc.subject.slice('rpc.'.length) as Parameters<typeof subjects.rpc>[0]
    const reply = await as.ask(subjects.rpc(name), JSON.stringify(request), { timeoutMs: 5000 })
    return JSON.parse(Buffer.from(reply).toString()) as { ok: boolean }
  }

  /** `query tokens` as the operator; undefined while it is unavailable. */
  async tokens(agent_id: string): Promise<readonly { readonly compact: string; readonly claims: Token }[] | undefined> {
    const { operator } = this.stack
    const iat = Math.floor(Date.now() / 1000)
    const query = { iss: operator.id, aud: operator.authority.audience, iat, exp: iat + 30, jti: randomUUID() }
    const { claims } = await askService(operator, {
      subject: operator.subjects.query('operator', operator.id),
      body: await signMessage(operator.signer, queryMessage, { ...query, what: 'tokens', args: { agent_id } }),
      from: 'intent-gateway',
      replies: [answerMessage, resultMessage],
    })
    if (!('items' in claims)) {
      if (claims.code === 'unavailable') return undefined
      throw new Error(`query tokens: ${claims.code}`)
    }
    return claims.items.map((compact) => ({ compact, claims: open(compact).claims as unknown as Token }))
  }

  /** An approver of the pilot plant, with its own key. */
  async approver(id: string): Promise<Approver> {
    return this.#own(await openApprover(this.stack.paths.identity('approver', id)))
  }

  /** The last plan of a gateway that is not acknowledged. */
  async planOf(gatewayId: string): Promise<string> {
    const last = await this.jsm.streams.getMessage('PLANS', {
      last_by_subj: this.stack.operator.subjects.plan(gatewayId),
    })
    if (last === null) throw new Error('there is no plan')
    return Buffer.from(last.data).toString()
  }

  /** Nothing of PLANS waits for the gateway any more: all was acknowledged or terminated. */
  plansHandled(gatewayId: string): Promise<boolean> {
    return until(`${gatewayId} has handled its plans`, async () => {
      const { num_pending, num_ack_pending } = await this.jsm.consumers.info('PLANS', `gateway-${gatewayId}`)
      return num_pending + num_ack_pending === 0
    })
  }

  async #enrolled<K extends 'agent' | 'gateway'>(
    kind: K,
    id: string,
    record: (keys: PublicJwk[]) => RecordOf<K>,
  ): Promise<string> {
    const outDir = this.stack.paths.identity(kind, id)
    const { publicKey } = await enrol(this.stack.plane, { kind, id, outDir, key: 'ES256' })
    if (publicKey === undefined) throw new Error('an enrolment package has a key')
    await ensureRecord(this.stack.operator, { kind, id, record: record([publicKey]), reason: 'The laboratory.' })
    return outDir
  }

  #own<T extends AsyncDisposable>(opened: T): T {
    this.#opened.push(opened)
    return opened
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened.toReversed()) await each[Symbol.asyncDispose]()
    await this.store.close()
  }
}

function hold(behave: Map<string, Behaviour>, deviceId: string): { readonly release: () => void } {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  behave.set(deviceId, async ({ signal }) => {
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )
    await Promise.race([released, aborted])
    return { done: 'held' }
  })
  return {
    release: () => {
      behave.delete(deviceId)
      release()
    },
  }
}
