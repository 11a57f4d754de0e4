import { type Bus, isRefusal } from '@writ/bus'
import { Fault, type Reason, statusMessage, subjects } from '@writ/contracts'
import { asMessage, parseJws } from '@writ/keys'
import { currentTrace } from '@writ/service-kit'
import type { IntentRecord } from '../core/intent-record.ts'
import { rejectedId, statusBody } from '../core/status.ts'
import { Turns } from '../core/turns.ts'
import type { Clock, Meter, Sign } from '../ports.ts'

const TRIES_MAX = 8
const KNOWN_MAX = 10_000
const STATUS_READ_BYTES_MAX = 1024 * 1024

interface Said {
  readonly seq: number
  readonly n: number
}

/** Says in STATUS what is durable in the bucket. */
export class Statuses {
  readonly #bus: Pick<Bus, 'store' | 'last'>
  readonly #sign: Sign
  readonly #clock: Clock
  readonly #meter: Meter
  readonly #region: string
  readonly #turns: Turns = new Turns()
  /** What this process stored last under a subject. */
  readonly #known = new Map<string, Said>()

  constructor(bus: Pick<Bus, 'store' | 'last'>, sign: Sign, clock: Clock, meter: Meter, region: string) {
    this.#bus = bus
    this.#sign = sign
    this.#clock = clock
    this.#meter = meter
    this.#region = region
  }

  /** The status of a record, unless this process has said it. One that somebody stored with a higher `n` is not written over. */
  say(record: IntentRecord): Promise<void> {
    const subject = this.#subject(record)
    return this.#turns.take(subject, async () => {
      if ((this.#known.get(subject)?.n ?? 0) < record.n) await this.#sayNow(subject, record)
    })
  }

  /** The same, said before or not: an agent asked. */
  sayAnew(record: IntentRecord): Promise<void> {
    const subject = this.#subject(record)
    return this.#turns.take(subject, () => this.#sayNow(subject, record))
  }

  /** The refusal of a message that owns no `jti`, signed by a key of the subject's agent. */
  async refuse(agentId: string, digest: string, reason: Reason): Promise<void> {
    const intent_id = rejectedId(digest)
    const compact = await this.#sign(statusMessage, {
      ...this.#envelope(),
      intent_id,
      intent_digest: digest,
      n: 1,
      state: 'denied',
      reasons: [reason],
      steps: [],
    })
    await this.#bus.store(subjects(this.#region).status(agentId, intent_id), compact, {
      stream: 'STATUS',
      trace: currentTrace(),
    })
  }

  /** A step's outcome, the bytes that its gateway signed, if it is `latest` when its turn comes. */
  outcome(record: IntentRecord, stepId: string, body: Uint8Array, latest: () => boolean): Promise<void> {
    const subject = subjects(this.#region).status(record.agent_id, record.intent_id, stepId)
    return this.#turns.take(subject, async () => {
      if (latest()) await this.#bus.store(subject, body, { stream: 'STATUS', trace: currentTrace() })
    })
  }

  async #sayNow(subject: string, record: IntentRecord): Promise<void> {
    const compact = await this.#sign(statusMessage, { ...this.#envelope(), ...statusBody(record) })
    await this.#storeNewer(subject, compact, record.n)
    this.#meter.state(record.state)
  }

  async #storeNewer(subject: string, compact: string, n: number): Promise<void> {
    for (let tries = 0, seq = this.#known.get(subject)?.seq ?? 0; tries < TRIES_MAX; tries++) {
      try {
        const stored = await this.#bus.store(subject, compact, {
          stream: 'STATUS',
          trace: currentTrace(),
          expectLast: { seq },
        })
        this.#remember(subject, { seq: stored.seq, n })
        return
      } catch (error) {
        if (!isRefusal(error, 'wrong-last-sequence')) throw error
      }
      const last = await this.#bus.last('STATUS', subject)
      if (last !== undefined && numberOf(last.data) > n) return
      seq = last?.seq ?? 0
    }
    throw new Fault('unavailable', { message: 'The status changes all the time.' })
  }

  #remember(subject: string, said: Said): void {
    this.#known.delete(subject)
    this.#known.set(subject, said)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest)
  }

  #subject(record: IntentRecord): string {
    return subjects(this.#region).status(record.agent_id, record.intent_id)
  }

  #envelope(): { readonly iss: string; readonly aud: string; readonly iat: number } {
    return { iss: 'intent-gateway', aud: `writ:${this.#region}`, iat: this.#clock.nowSeconds() }
  }
}

/** Of a status that some intent-gateway stored; only these may. */
function numberOf(data: Uint8Array): number {
  try {
    return asMessage(statusMessage, parseJws(data, STATUS_READ_BYTES_MAX)).claims.n
  } catch {
    return 0
  }
}
