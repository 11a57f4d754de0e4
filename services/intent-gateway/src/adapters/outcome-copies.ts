import { type Bucket, type Bus, isRefusal } from '@writ/bus'
import { subjects } from '@writ/contracts'
import { requestDigest } from '@writ/keys'
import { currentTrace } from '@writ/service-kit'
import { type IntentRecord, type LiveRecord, outcomeKey, stateKey, userOf } from '../core/intent-record.ts'
import type { IntentRecords } from './intent-records.ts'

/** What is left under a key whose text nobody needs any more. */
const FORGOTTEN = '-'
/** STATUS may lose its last moments, and whoever follows an intent asks within minutes of its end. */
const FORGET_AFTER_MS = 300_000

/**
 * Outcomes as their gateways signed them, in the flushed bucket `intents` until STATUS cannot lose them any more: small ones in the
 * record that counts them, others under keys of their own.
 */
export class OutcomeCopies {
  readonly #bucket: Bucket
  readonly #records: Pick<IntentRecords, 'forgetOutcomes'>
  readonly #bus: Pick<Bus, 'store' | 'last'>
  readonly #region: string
  /** What is to be forgotten later, and on whose behalf it was. */
  readonly #waiting = new Set<{ readonly user: string; readonly forget: () => Promise<void> }>()

  constructor(
    bucket: Bucket,
    records: Pick<IntentRecords, 'forgetOutcomes'>,
    bus: Pick<Bus, 'store' | 'last'>,
    region: string,
  ) {
    this.#bucket = bucket
    this.#records = records
    this.#bus = bus
    this.#region = region
  }

  /** Before anything is made of an outcome that ends a step or a try, and that the record has no room for. */
  async keep(key: string, digest: string, compact: string): Promise<void> {
    await this.#bucket.create(outcomeKey(key, digest), compact)
  }

  /** One that was kept and is not forgotten. */
  async read(record: IntentRecord, digest: string): Promise<string | undefined> {
    const inside = record.steps.find(({ outcome_digest }) => outcome_digest === digest)?.outcome
    if (inside !== undefined) return inside
    const kept = await this.#bucket.get(outcomeKey(stateKey(record.agent_id, record.intent_id), digest))
    const text = Buffer.from(kept?.value ?? FORGOTTEN).toString('latin1')
    return text === FORGOTTEN ? undefined : text
  }

  /** Stores those again that the status names and STATUS does not have. One that is newer is not written over. */
  async sayAgain(record: IntentRecord): Promise<void> {
    for (const { step_id, outcome_digest } of record.steps)
      if (outcome_digest !== undefined) await this.#sayStep(record, step_id, outcome_digest)
  }

  /** Later: one that is not forgotten when the process ends goes with the bucket's age. */
  forgetLater(record: LiveRecord, report: (error: unknown) => void): void {
    const key = stateKey(record.agent_id, record.intent_id)
    // Of all that the record says no more than this is held for minutes.
    const beside = record.steps.flatMap(({ outcome, outcome_digest }) =>
      outcome === undefined && outcome_digest !== undefined ? [outcome_digest] : [],
    )
    const inside = record.steps.some(({ outcome }) => outcome !== undefined)
    const forget = async (): Promise<void> => {
      for (const digest of beside) await this.#bucket.put(outcomeKey(key, digest), FORGOTTEN)
      if (inside) await this.#records.forgetOutcomes(key)
    }
    if (beside.length > 0 || inside) this.#later({ user: userOf(record), forget }, report)
  }

  /** Of a person who is erased, at once. What waits in other replicas, these forget. Throws Fault `unavailable`. */
  async forgetNow(isPerson: (user: string) => boolean): Promise<void> {
    for (const waiting of this.#waiting) {
      if (!isPerson(waiting.user)) continue
      await waiting.forget()
      this.#waiting.delete(waiting)
    }
  }

  #later(
    waiting: { readonly user: string; readonly forget: () => Promise<void> },
    report: (error: unknown) => void,
  ): void {
    this.#waiting.add(waiting)
    setTimeout(() => {
      if (this.#waiting.delete(waiting)) waiting.forget().catch(report)
    }, FORGET_AFTER_MS).unref()
  }

  async #sayStep(record: IntentRecord, stepId: string, digest: string): Promise<void> {
    const subject = subjects(this.#region).status(record.agent_id, record.intent_id, stepId)
    const last = await this.#bus.last('STATUS', subject)
    if (last !== undefined && requestDigest(last.data) === digest) return
    const text = await this.read(record, digest)
    if (text === undefined) return
    try {
      const expectLast = { seq: last?.seq ?? 0 }
      await this.#bus.store(subject, text, { stream: 'STATUS', trace: currentTrace(), expectLast })
    } catch (error) {
      if (!isRefusal(error, 'wrong-last-sequence')) throw error
    }
  }
}
