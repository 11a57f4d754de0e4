import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { type Bus, type BusConfig, connectBus, type Serving } from '@writ/bus'
import {
  ANY,
  type Applied,
  type AuditEvent,
  appliedMessage,
  auditMessage,
  type IdentityKind,
  type Outcome,
  outcomeMessage,
  type Redeem,
  type Report,
  redeemedMessage,
  redeemMessage,
  reportMessage,
  resultMessage,
  SERVICE_ROLES,
  type ServiceRole,
  subjects,
} from '@writ/contracts'
import {
  digestOf,
  generateJwk,
  openMessage,
  type PrivateJwk,
  type Signer,
  signerOf,
  signMessage,
  writeKeyFile,
} from '@writ/keys'
import { createCredentials } from '@writ/plane'
import { startNats, type TestNats } from './nats.ts'
import { AUDIENCE, createSmallPlant, nowSeconds, type PlanParts, REGION, type SmallPlant } from './world.ts'

const at = subjects(REGION)

/** What the token-issuer of the stage does with a redeem; undefined: it stays silent. */
export type Issuer = (redeem: Redeem, jws: string) => Promise<string | undefined> | string | undefined

/**
 * A real server with the real accounts, on which the test plays every other party with real keys: operator, intent-gateway,
 * token-issuer and audit-sink. The plant is that of `createSmallPlant`: gateway `g1` with devices `d1` and `d2`.
 */
export interface Stage extends AsyncDisposable {
  readonly nats: TestNats
  readonly plant: SmallPlant
  readonly intentGateway: Bus
  /** Every outcome that was stored, in order; those of one plan with `of`. */
  readonly outcomes: Outcome[]
  of(parts: PlanParts): Outcome[]
  readonly applied: Applied[]
  readonly redeems: Redeem[]
  /** Replaces what token-issuer does. */
  issuer: Issuer
  /** Nobody answers redeems any more, until `back`. */
  issuerAway(): Promise<void>
  issuerBack(): Promise<void>
  /** Yes to a redeem. */
  grant(redeem: Redeem, jws: string, changes?: object): Promise<string>
  refuse(jws: string, code: string): Promise<string>
  /** An enrolment package of g1, in a folder of its own. */
  enrol(changes?: object): Promise<{ dir: string; enrolment: string; key: string }>
  send(parts: Pick<PlanParts, 'plan'>): Promise<void>
  /** An operator's message in CONTROL; its sequence. */
  control(claims: object): Promise<number>
  storeControl(jws: string): Promise<number>
  /** Files an endorsement of a role's key. */
  endorse(role: ServiceRole, signer: Signer): Promise<void>
  /** Any bytes in CONTROL that nobody applies: a tick. */
  tick(): Promise<number>
  connect(kind: IdentityKind, id: string, options?: Partial<BusConfig>): Promise<Bus>
  auditEvents(): Promise<AuditEvent[]>
  reports(device: string): Promise<Report | undefined>
  /** How long a plan that nobody speaks of waits before it comes again; until `clear`. */
  ackWait(seconds: number): Promise<void>
  /** Plans that the stream still holds; when it holds none, outcomes that have not been taken yet. */
  plansLeft(): Promise<number>
  /** Forgets plans and outcomes: what a test left must not be the next one's. */
  clear(): Promise<void>
}

export async function openStage(): Promise<Stage> {
  const nats = await startNats({ region: REGION })
  const plant = await createSmallPlant()
  const key = generateJwk('ES256')
  plant.world.parties.set('gateway/g1', signerOf(key))
  await plant.file('gateway', 'g1', { keys: [plant.world.signerOf('gateway', 'g1').jwk], jurisdiction: REGION })
  const stage = new OpenStage(nats, plant, key)
  await stage.open()
  return stage
}

class OpenStage implements Stage {
  readonly nats: TestNats
  readonly plant: SmallPlant
  readonly outcomes: Outcome[] = []
  readonly applied: Applied[] = []
  readonly redeems: Redeem[] = []
  issuer: Issuer = (redeem, jws) => this.grant(redeem, jws)
  readonly #key: PrivateJwk
  readonly #buses: Bus[] = []
  #operator: Bus | undefined
  #intentGateway: Bus | undefined
  #sink: Bus | undefined
  #issuerBus: Bus | undefined
  #serving: Serving | undefined

  constructor(nats: TestNats, plant: SmallPlant, key: PrivateJwk) {
    this.nats = nats
    this.plant = plant
    this.#key = key
  }

  get intentGateway(): Bus {
    if (this.#intentGateway === undefined) throw new Error('not open')
    return this.#intentGateway
  }

  async open(): Promise<void> {
    this.#operator = await this.connect('operator', 'root')
    this.#intentGateway = await this.connect('intent-gateway', 'i0')
    this.#sink = await this.connect('audit-sink', 'i0')
    const { world, values, genesis } = {
      ...this.plant,
      genesis: await this.plant.world.control({ prev: 0, command: 'genesis', stream: 's1' }),
    }
    await this.#operator.store(at.control('root'), genesis, { stream: 'CONTROL' })
    for (const role of SERVICE_ROLES) await this.#file('key', world.services[role].kid, await world.endorse(role))
    for (const [name, value] of values) {
      const [kind, id] = name.split('.') as [string, string]
      if (kind === 'gateway' || kind === 'policy') await this.#file(kind, id, value)
    }
    this.intentGateway.consume(
      { stream: 'OUTCOMES', consumer: 'intent-gateway', inFlightMax: 64 },
      async (delivery) => {
        this.outcomes.push(openMessage(outcomeMessage, delivery.data).claims)
        await delivery.ack()
      },
    )
    await this.#operator.subscribe(at.applied(ANY), ({ data }) => {
      this.applied.push(openMessage(appliedMessage, data).claims)
    })
    this.#issuerBus = await this.connect('token-issuer', 'i0')
    await this.issuerBack()
  }

  async issuerAway(): Promise<void> {
    await this.#serving?.stop()
  }

  async issuerBack(): Promise<void> {
    this.#serving = await this.#issuerBus?.serve(
      at.redeem(ANY),
      { inFlightMax: 64, onFault: () => undefined },
      async ({ data }) => {
        const jws = Buffer.from(data).toString()
        const redeem = openMessage(redeemMessage, jws).claims
        this.redeems.push(redeem)
        const answer = await this.issuer(redeem, jws)
        if (answer === undefined) throw new Error('stays silent')
        return answer
      },
    )
  }

  async #file(kind: 'key' | 'gateway' | 'policy', id: string, value: string): Promise<void> {
    await this.intentGateway.store(at.registry(kind, id), value, { stream: 'SIGNERS' })
  }

  of({ plan }: PlanParts): Outcome[] {
    const { plan_id } = JSON.parse(Buffer.from(plan.split('.')[1] ?? '', 'base64url').toString()) as { plan_id: string }
    return this.outcomes.filter((outcome) => outcome.plan_id === plan_id)
  }

  grant(redeem: Redeem, jws: string, changes: object = {}): Promise<string> {
    const use = Number(redeem.use_id.split('/').at(-1))
    const claims = { request: digestOf(jws), use, of: 1, rev_head: this.plant.authority.control.rev }
    return this.#answer(redeemedMessage, { ...claims, ...changes })
  }

  refuse(jws: string, code: string): Promise<string> {
    return this.#answer(resultMessage, { request: digestOf(jws), ok: false, code, message: 'No.' })
  }

  #answer(message: typeof redeemedMessage | typeof resultMessage, claims: object): Promise<string> {
    const base = { iss: 'token-issuer', aud: AUDIENCE, iat: nowSeconds() }
    return signMessage(this.plant.world.services['token-issuer'], message, { ...base, ...claims } as never)
  }

  async enrol(changes: object = {}): Promise<{ dir: string; enrolment: string; key: string }> {
    const dir = await mkdtemp(join(tmpdir(), 'writ-gateway-'))
    await this.nats.enrol({ kind: 'gateway', id: 'g1', outDir: join(dir, 'package') })
    const enrolment = join(dir, 'package', 'enrolment.json')
    const given = JSON.parse(await readFile(enrolment, 'utf8')) as object
    const trust = { ...this.plant.world.trust }
    await writeFile(enrolment, JSON.stringify({ ...given, trust, ...changes }))
    const key = join(dir, 'package', 'key.jwk')
    await writeKeyFile(key, this.#key)
    return { dir, enrolment, key }
  }

  async send({ plan }: Pick<PlanParts, 'plan'>): Promise<void> {
    const { seq } = await this.intentGateway.store(at.plan('g1'), plan, { stream: 'PLANS' })
    // A stream that is not flushed acknowledges before it counts.
    const jsm = await jetstreamManager(this.nats.store)
    await until(async () => (await jsm.streams.info('PLANS')).state.last_seq >= seq)
  }

  async control(claims: object): Promise<number> {
    return this.storeControl(await this.plant.applyControl(claims))
  }

  async endorse(role: ServiceRole, signer: Signer): Promise<void> {
    await this.#file('key', signer.kid, await this.plant.world.endorse(role, { signer }))
  }

  async storeControl(jws: string): Promise<number> {
    const { seq } = (await this.#operator?.store(at.control('root'), jws, { stream: 'CONTROL' })) ?? { seq: 0 }
    return seq
  }

  async tick(): Promise<number> {
    const { seq } = (await this.#issuerBus?.store(at.tick('i0'), '', { stream: 'CONTROL', ttlSeconds: 60 })) ?? {
      seq: 0,
    }
    return seq
  }

  async connect(kind: IdentityKind, id: string, options: Partial<BusConfig> = {}): Promise<Bus> {
    const { creds } = await createCredentials(this.nats.plane, kind, id)
    const credentials = new TextDecoder().decode(creds)
    const bus = await connectBus({ servers: this.nats.url, credentials, region: REGION, kind, id, ...options })
    this.#buses.push(bus)
    return bus
  }

  async auditEvents(): Promise<AuditEvent[]> {
    const events: AuditEvent[] = []
    for await (const { data } of this.#sink?.read('AUDIT_EDGE', {
      fromSeq: 1,
      filter: at.audit('gateway', ANY, ANY),
    }) ?? [])
      events.push(...openMessage(auditMessage, data).claims.events)
    return events
  }

  async reports(device: string): Promise<Report | undefined> {
    const stored = await this.intentGateway.last('REPORTS', at.report('g1', device))
    return stored === undefined ? undefined : openMessage(reportMessage, stored.data).claims
  }

  async plansLeft(): Promise<number> {
    const jsm = await jetstreamManager(this.nats.store)
    const left = async (stream: string) => (await jsm.streams.info(stream)).state.messages
    return (await left('PLANS')) || (await left('OUTCOMES'))
  }

  async ackWait(seconds: number): Promise<void> {
    const jsm = await jetstreamManager(this.nats.store)
    await jsm.consumers.update('PLANS', 'gateway-g1', { ack_wait: seconds * 1e9 })
  }

  async clear(): Promise<void> {
    await (await jetstreamManager(this.nats.store)).streams.purge('PLANS')
    await this.ackWait(30)
    this.outcomes.length = 0
    this.redeems.length = 0
    this.applied.length = 0
    this.issuer = (redeem, jws) => this.grant(redeem, jws)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const bus of this.#buses) await bus[Symbol.asyncDispose]()
    await this.nats.stop()
  }
}

/** Until it holds: something that happens in its own time. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  for (const end = Date.now() + timeoutMs; !(await condition()); await sleep(5))
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${condition}`)
}
