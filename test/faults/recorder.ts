import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, credsAuthenticator, type Msg, type NatsConnection } from '@nats-io/transport-node'
import {
  auditMessage,
  commandMessage,
  decisionMessage,
  outcomeMessage,
  planMessage,
  statusMessage,
  subjects,
} from '@writ/contracts'
import { digestOf, openMessage } from '@writ/keys'
import { type Plane, planePaths } from '@writ/plane'
import type { ActivePolicy, HeardPlan, HeardStatus, StoredAudit } from './history.ts'
import type { Moment } from './schedule.ts'

const AUDIT_STREAMS = ['AUDIT', 'AUDIT_EDGE'] as const
const BATCH = 256
/** A copy that is stored later than this after the first was heard is another sending of the message. */
const FLUSHED_WITHIN_MS = 10_000

/** Listens on the bus, beside everybody, from the account that holds the streams; it takes nothing away and answers nobody. */
export class Recorder implements AsyncDisposable {
  readonly statuses: HeardStatus[] = []
  readonly plans: HeardPlan[] = []
  readonly #nc: NatsConnection
  readonly #prefix: string
  readonly #jsm: JetStreamManager
  readonly #audit = new Map<string, StoredAudit>()
  readonly #waiting: { readonly moment: Moment; readonly heard: () => void }[] = []
  /** Sequences read of each stream, and readings under way. */
  readonly #read = new Map<string, { next: number; reading: boolean; more: boolean }>()

  private constructor(nc: NatsConnection, jsm: JetStreamManager, region: string) {
    this.#nc = nc
    this.#jsm = jsm
    this.#prefix = subjects(region).prefix
  }

  static async open(plane: Plane): Promise<Recorder> {
    const credentials = await readFile(planePaths(plane.dir).storeCredentials)
    const nc = await connect({
      servers: plane.natsUrl,
      authenticator: credsAuthenticator(new Uint8Array(credentials)),
      name: 'plane_store',
      inboxPrefix: '_INBOX_plane_store',
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: 50,
      reconnectJitter: 0,
    })
    const recorder = new Recorder(nc, await jetstreamManager(nc), plane.region)
    recorder.#listen()
    return recorder
  }

  get jsm(): JetStreamManager {
    return this.#jsm
  }

  get audit(): readonly StoredAudit[] {
    return [...this.#audit.values()]
  }

  /** Resolves at the next message of a kind. */
  next(moment: Moment): Promise<void> {
    return new Promise((heard) => this.#waiting.push({ moment, heard }))
  }

  /** The statuses as they are stored in the end, beside what was announced. */
  async readStatuses(agentId: string, intentIds: readonly string[]): Promise<void> {
    for (const id of intentIds) {
      const last = await this.#jsm.direct.getMessage('STATUS', {
        last_by_subj: subjects(this.#prefix.split('.')[2] ?? '').status(agentId, id),
      })
      if (last !== null) this.#status(last.data)
    }
  }

  /** Every version of the active policy that was filed. */
  async readPolicies(): Promise<readonly ActivePolicy[]> {
    const found: ActivePolicy[] = []
    const next_by_subj = `${this.#prefix}registry.policy.active`
    for await (const { data, time } of await this.#jsm.direct.getBatch('SIGNERS', {
      seq: 1,
      next_by_subj,
      batch: BATCH,
    })) {
      const { version, record } = openMessage(commandMessage, Buffer.from(data).toString().split('\n')[0] ?? '').claims
      const { bundle_sha256 } = Object(record) as { bundle_sha256: string }
      found.push({ version, bundle_sha256, at: time.getTime() })
    }
    return found
  }

  #listen(): void {
    const on = (subject: string, take: (message: Msg) => void): void => {
      this.#nc.subscribe(`${this.#prefix}${subject}`, {
        callback: (error, message) => {
          if (error === null) take(message)
        },
      })
    }
    on('stored.status.*.*', ({ data }) => this.#status(data))
    on('intent.*', () => this.#tell('asked'))
    on('plan.*', ({ data }) => this.#plan(data))
    on('outcome.*', ({ data }) => {
      const { state } = openMessage(outcomeMessage, data).claims
      this.#tell(state === 'started' ? 'begun' : 'ended')
    })
    on('audit.>', ({ data, subject }) => this.#heardAudit(data, subject))
  }

  #tell(moment: Moment): void {
    for (const waiting of this.#waiting.filter((each) => each.moment === moment)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
      waiting.heard()
    }
  }

  #status(data: Uint8Array): void {
    const { intent_id, intent_digest, n, state, reasons, steps } = openMessage(statusMessage, data).claims
    this.statuses.push({
      ...{ intent_id, intent_digest, n, state },
      codes: reasons.map(({ code }) => code),
      steps: steps.map((step) => ({
        step_id: step.step_id,
        state: step.state,
        ...(step.reason !== undefined && { code: step.reason.code }),
      })),
    })
    if (state === 'accepted') this.#tell('accepted')
    if (state === 'succeeded' || state === 'failed' || state === 'partial') this.#tell('final')
  }

  #plan(data: Uint8Array): void {
    const { jws, claims } = openMessage(planMessage, data)
    const { plan_id, gateway_id, intent, decision } = claims
    const { bundle_sha256 } = openMessage(decisionMessage, decision).claims.policy
    const intent_digest = digestOf(intent)
    this.plans.push({ plan_id, gateway_id, digest: jws.digest, intent_digest, bundle_sha256, at: Date.now() })
    this.#tell('planned')
  }

  #heardAudit(data: Uint8Array, subject: string): void {
    this.#keep(data, Date.now(), 'heard')
    for (const { type } of openMessage(auditMessage, data).claims.events) {
      if (type === 'token.issued') this.#tell('issued')
      if (type === 'plan.dispatched') this.#tell('dispatched')
      if (type === 'token.redeemed') this.#tell('redeemed')
    }
    this.#readSoon(subject.startsWith(`${this.#prefix}audit.gateway.`) ? 'AUDIT_EDGE' : 'AUDIT')
  }

  #keep(data: Uint8Array, at: number, how: StoredAudit['how']): void {
    const { jws, claims } = openMessage(auditMessage, data)
    const key = `${claims.source}/${claims.seq}/${jws.digest}`
    const known = this.#audit.get(key)
    // The first time counts: a source sends a message again until the log has it.
    if (known !== undefined && (known.how === 'stored' || how === 'heard' || at > known.at + FLUSHED_WITHIN_MS)) return
    this.#audit.set(key, { source: claims.source, seq: claims.seq, digest: jws.digest, at, how })
  }

  /** Reads what was stored since, with the stream's own time, before it is sealed and acknowledged. */
  #readSoon(stream: (typeof AUDIT_STREAMS)[number]): void {
    const state = this.#read.get(stream) ?? { next: 1, reading: false, more: false }
    this.#read.set(stream, state)
    state.more = true
    if (state.reading) return
    state.reading = true
    void (async () => {
      while (state.more) {
        state.more = false
        await this.#readOn(stream, state).catch(() => undefined)
      }
      state.reading = false
    })()
  }

  async #readOn(stream: string, state: { next: number; more: boolean }): Promise<void> {
    for (let last = state.next; ; last = state.next) {
      const batch = await this.#jsm.direct.getBatch(stream, { seq: state.next, batch: BATCH })
      for await (const { seq, data, time } of batch) {
        state.next = seq + 1
        this.#keep(data, time.getTime(), 'stored')
      }
      if (state.next < last + BATCH) return
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nc.close()
  }
}

/** Asks until there is an answer that is neither undefined nor false. Throws when there is none in time. */
export async function eventually<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined | false>,
  everyMs = 100,
): Promise<T> {
  let last: unknown
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; await delay(everyMs)) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      last = error
    }
  }
  throw new Error(`Not within ${withinMs} ms: ${what}`, { cause: last })
}
