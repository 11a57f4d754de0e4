import { Journal } from '@writ/durable'
import {
  applyRecord,
  isDone,
  isForgettable,
  type JournalRecord,
  type KeptOutcome,
  type PlanState,
  recordsOf,
} from '../core/journal-state.ts'
import type { PlanFacts } from '../core/plan-facts.ts'

const COMPACT_ABOVE_BYTES = 1 << 20

/**
 * What this gateway took on, in a file that survives `kill -9` and power cuts. What is sent or begun after a call was recorded
 * durably before it returned; a call that throws Fault `unavailable` (disk full or failing) must stop what was to follow. That a plan was
 * taken on, and that the stream has an outcome, are written with what comes next: a gateway that is killed before takes the plan on
 * again, and says the outcome again.
 */
export class PlanJournal implements AsyncDisposable {
  readonly #journal: Journal
  readonly #plans: Map<string, PlanState>
  readonly #idByDigest = new Map<string, string>()
  #appending = 0
  #compactedBytes = 0

  private constructor(journal: Journal, plans: Map<string, PlanState>) {
    this.#journal = journal
    this.#plans = plans
    for (const { facts } of this.plans) this.#idByDigest.set(facts.plan_digest, facts.plan_id)
  }

  /** Throws Fault `internal` when the file is damaged, `unavailable` when the disk fails. */
  static async open(path: string): Promise<PlanJournal> {
    const plans = new Map<string, PlanState>()
    const replay = (bytes: Buffer) => take(plans, JSON.parse(bytes.toString()) as JournalRecord)
    return new PlanJournal(await Journal.open(path, { replay }), plans)
  }

  get plans(): readonly PlanState[] {
    return [...this.#plans.values()]
  }

  plan(planId: string): PlanState | undefined {
    return this.#plans.get(planId)
  }

  /** The plan whose every step has ended, by the digest of the plan itself. */
  doneByDigest(planDigest: string): PlanState | undefined {
    const plan = this.#plans.get(this.#idByDigest.get(planDigest) ?? '')
    return plan !== undefined && isDone(plan) ? plan : undefined
  }

  /** In the file together with the first redeem or end of its steps, or before. */
  async takeOn(facts: PlanFacts): Promise<void> {
    this.#appendLater({ t: 'plan', facts })
    this.#idByDigest.set(facts.plan_digest, facts.plan_id)
  }

  redeem(planId: string, stepId: string, use: number, jws: string): Promise<void> {
    return this.#append({ t: 'redeem', plan_id: planId, step_id: stepId, use, jws })
  }

  unheard(planId: string, stepId: string, use: number): Promise<void> {
    return this.#append({ t: 'unheard', plan_id: planId, step_id: stepId, use })
  }

  started(outcome: KeptOutcome): Promise<void> {
    return this.#append({ t: 'started', outcome })
  }

  ended(outcome: KeptOutcome): Promise<void> {
    return this.#append({ t: 'ended', outcome })
  }

  /** In the file with what is written next, at the latest after a second. */
  async stored({ plan_id, digest }: KeptOutcome): Promise<void> {
    this.#appendLater({ t: 'stored', plan_id, digests: [digest] })
  }

  /** Forgets what cannot come again, and rewrites the file when it has grown well beyond what is left. */
  async compactIfWorth(nowSeconds: number): Promise<void> {
    if (this.#appending > 0 || this.#journal.bytes < COMPACT_ABOVE_BYTES + 2 * this.#compactedBytes) return
    for (const plan of this.plans) if (isForgettable(plan, nowSeconds)) this.#forget(plan)
    await this.#journal.compact(this.plans.flatMap(recordsOf).map(encode))
    this.#compactedBytes = this.#journal.bytes
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#journal[Symbol.asyncDispose]()
  }

  #forget({ facts }: PlanState): void {
    this.#plans.delete(facts.plan_id)
    this.#idByDigest.delete(facts.plan_digest)
  }

  #appendLater(record: JournalRecord): void {
    this.#journal.appendLater(encode(record))
    take(this.#plans, record)
  }

  async #append(record: JournalRecord): Promise<void> {
    this.#appending += 1
    try {
      await this.#journal.append(encode(record))
      take(this.#plans, record)
    } finally {
      this.#appending -= 1
    }
  }
}

function take(plans: Map<string, PlanState>, record: JournalRecord): void {
  const planId = planIdOf(record)
  const state = applyRecord(plans.get(planId), record)
  if (state !== undefined) plans.set(planId, state)
}

function planIdOf(record: JournalRecord): string {
  if (record.t === 'plan') return record.facts.plan_id
  return 'outcome' in record ? record.outcome.plan_id : record.plan_id
}

function encode(record: JournalRecord): Buffer {
  return Buffer.from(JSON.stringify(record))
}
