import type { Bucket } from '@writ/bus'
import { Fault } from '@writ/contracts'
import { digestOf } from '@writ/keys'
import type { IntentIndex } from '../core/intent-index.ts'
import {
  approvalKey,
  cancelKey,
  doneOf,
  formatRecord,
  type IntentRecord,
  intentKey,
  isDone,
  type LiveRecord,
  parseRecord,
  stateKey,
  withoutOutcomes,
} from '../core/intent-record.ts'

export interface Change {
  readonly before: LiveRecord
  readonly after: LiveRecord
}

const TRIES_MAX = 16
/** Intents whose texts this process claimed and has not settled; the others are read from the bucket. */
const TEXTS_MAX = 2000
/** Stands before the digest of an intent whose text is not kept: what another jurisdiction decides has no place here. */
const DIGEST_ONLY = '#'
/** What is left under a key whose text nobody needs any more. */
const FORGOTTEN = '-'

/**
 * Intents in the flushed bucket `intents`. Every change names the revision that it was made from: of two replicas that change a
 * record at once, one reads again. Throws Fault `unavailable` when it is not known whether a write was kept: reading tells.
 */
export class IntentRecords {
  readonly index: IntentIndex
  readonly #bucket: Bucket
  readonly #texts = new Map<string, string>()

  constructor(bucket: Bucket, index: IntentIndex) {
    this.#bucket = bucket
    this.index = index
  }

  /** Claims an identity for a message: `ours` now or before, or `another`'s. `keeps`: the exact message, or nothing but its digest. */
  async claimIntent(key: string, compact: string, keeps: 'text' | 'digest' = 'text'): Promise<'ours' | 'another'> {
    const digest = digestOf(compact)
    const value = keeps === 'text' ? compact : `${DIGEST_ONLY}${digest}`
    if ((await this.#bucket.create(intentKey(key), value)) !== 'exists') {
      if (keeps === 'text') this.#keep(key, compact)
      return 'ours'
    }
    const record = await this.read(key)
    const known = record?.digest ?? digestIn((await this.#value(intentKey(key))) ?? '')
    return known === digest ? 'ours' : 'another'
  }

  /** The record as the bucket has it now. */
  async read(key: string): Promise<IntentRecord | undefined> {
    const entry = await this.#bucket.get(key)
    if (entry === undefined) return undefined
    const record = parseRecord(entry.value)
    this.index.apply(record, entry.revision)
    return record
  }

  /** True: this call made it. False: there is a record already. */
  async create(record: LiveRecord): Promise<boolean> {
    const revision = await this.#bucket.create(stateKey(record.agent_id, record.intent_id), formatRecord(record))
    if (revision === 'exists') return false
    this.index.apply(record, revision)
    return true
  }

  /** Makes a change from the newest record. `change` returns its argument to change nothing. Undefined: settled, or not there. */
  async modify(key: string, change: (record: LiveRecord) => LiveRecord): Promise<Change | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (this.index.get(key) === undefined) await this.read(key)
      const entry = this.index.get(key)
      if (entry === undefined) return undefined
      const after = change(entry.record)
      if (after === entry.record) return { before: entry.record, after }
      const revision = await this.#bucket.update(key, formatRecord(after), entry.revision)
      if (revision !== 'stale') {
        this.index.apply(after, revision)
        return { before: entry.record, after }
      }
      await this.read(key)
    }
    throw new Fault('unavailable', { message: 'The record of the intent changes all the time.' })
  }

  /** The same, known to this process alone until the next change is made: whoever takes it over does without. */
  note(key: string, change: (record: LiveRecord) => LiveRecord): void {
    const entry = this.index.get(key)
    if (entry !== undefined) this.index.note(key, change(entry.record))
  }

  /** Forgets the texts; the decisions are `DecisionFiles`'. Nothing if it has changed since. */
  async forgetTexts(record: LiveRecord): Promise<void> {
    const key = stateKey(record.agent_id, record.intent_id)
    if (this.index.get(key)?.record !== record) return
    const texts = [
      intentKey(key),
      ...record.approvals.map(({ approver_id }) => approvalKey(key, approver_id)),
      ...(mayHaveCancel(record) ? [cancelKey(key)] : []),
    ]
    this.#texts.delete(key)
    await Promise.all(texts.map((text) => this.#bucket.put(text, FORGOTTEN)))
  }

  /** Keeps what says how it ended. Nothing if it has changed since. */
  async settle(record: LiveRecord): Promise<void> {
    const key = stateKey(record.agent_id, record.intent_id)
    const entry = this.index.get(key)
    if (entry?.record !== record) return
    const done = doneOf(record)
    const revision = await this.#bucket.update(key, formatRecord(done), entry.revision)
    if (revision === 'stale') await this.read(key)
    else this.index.apply(done, revision)
  }

  /** Takes its gateways' outcomes out of what says how it ended. */
  async forgetOutcomes(key: string): Promise<void> {
    const entry = await this.#bucket.get(key)
    const record = entry === undefined ? undefined : parseRecord(entry.value)
    if (entry === undefined || record === undefined || !isDone(record)) return
    const without = withoutOutcomes(record)
    const revision = await this.#bucket.update(key, formatRecord(without), entry.revision)
    if (revision !== 'stale') this.index.apply(without, revision)
  }

  /** A text kept beside the record; undefined: there is none, it was forgotten, or its digest alone was kept. */
  async text(key: string): Promise<string | undefined> {
    const text = await this.#value(key)
    return text === FORGOTTEN || text?.startsWith(DIGEST_ONLY) ? undefined : text
  }

  async #value(key: string): Promise<string | undefined> {
    const entry = await this.#bucket.get(key)
    return entry === undefined ? undefined : Buffer.from(entry.value).toString('latin1')
  }

  /** The exact approvals that the record counts, as they were stored; one that was forgotten is not among them. */
  async approvals(key: string, { approvals }: LiveRecord): Promise<string[]> {
    const texts = await Promise.all(approvals.map(({ approver_id }) => this.text(approvalKey(key, approver_id))))
    return texts.filter((text, index) => text !== undefined && digestOf(text) === approvals[index]?.digest) as string[]
  }

  /** Keeps a text beside the record. */
  async replace(key: string, text: string): Promise<void> {
    await this.#bucket.put(key, text)
  }

  /** The exact intent. Throws Fault `internal` when it is not there: it is written before the record. */
  async intent(key: string): Promise<string> {
    const kept = this.#texts.get(key)
    if (kept !== undefined) return kept
    const text = await this.text(intentKey(key))
    if (text === undefined) throw new Fault('internal', { message: 'The text of an intent is not there.' })
    return text
  }

  #keep(key: string, compact: string): void {
    this.#texts.set(key, compact)
    const oldest = this.#texts.keys().next().value
    if (this.#texts.size > TEXTS_MAX && oldest !== undefined) this.#texts.delete(oldest)
  }
}

const digestIn = (value: string): string =>
  value.startsWith(DIGEST_ONLY) ? value.slice(DIGEST_ONLY.length) : digestOf(value)

/** A cancel that came too late for some steps, or all of them, has left its text too. */
function mayHaveCancel({ reasons, plans, closing }: LiveRecord): boolean {
  return (
    closing !== undefined || plans.some(({ stopped }) => stopped) || reasons.some(({ code }) => code === 'cancelled')
  )
}
