import { type IntentRecord, isDone, isFinal, type LiveRecord, stateKey } from './intent-record.ts'

export interface LiveEntry {
  readonly key: string
  readonly record: LiveRecord
  /** The bucket's revision of the record. */
  readonly revision: number
}

const DONE_KEPT_MAX = 50_000
/** Settled so lately that their last change may still be announced. */
const SETTLED_KEPT_MAX = 2000
const MINUTE_S = 60

/**
 * Intents that are not settled, as the bucket has them: what outcomes and cancels are found by, what the sweeper goes over, and
 * what an agent's limits are counted from. A copy that may lag a moment behind other replicas: changes are revision-checked.
 */
export class IntentIndex {
  readonly #live = new Map<string, LiveEntry>()
  readonly #byDigest = new Map<string, string>()
  readonly #done = new Map<string, string>()
  readonly #settled = new Map<string, number>()
  readonly #byAgent = new Map<string, Set<string>>()
  readonly #starts = new Map<string, number[]>()

  apply(record: IntentRecord, revision: number): void {
    const key = stateKey(record.agent_id, record.intent_id)
    const known = this.#live.get(key)
    if (known !== undefined && known.revision >= revision) return
    if (known === undefined && !this.#done.has(record.digest)) this.#noteStart(record)
    this.#byDigest.delete(record.digest)
    if (isDone(record)) this.#settle(key, record, revision)
    else {
      this.#byDigest.set(record.digest, key)
      this.#live.set(key, { key, record, revision })
    }
    this.#count(key, record)
  }

  /** What this process knows beyond what the bucket has, until the bucket has something newer. */
  note(key: string, record: LiveRecord): void {
    const entry = this.#live.get(key)
    if (entry !== undefined) this.#live.set(key, { ...entry, record })
  }

  /** The revision that is known of an intent which is not settled, or was lately. */
  revisionOf(key: string): number | undefined {
    return this.#live.get(key)?.revision ?? this.#settled.get(key)
  }

  get(key: string): LiveEntry | undefined {
    return this.#live.get(key)
  }

  /** The state key of an intent by its digest, settled lately or not at all; undefined: not known here. */
  keyOf(digest: string): string | undefined {
    return this.#byDigest.get(digest) ?? this.#done.get(digest)
  }

  /** The intents of an agent that are not final. */
  unfinished(agentId: string): number {
    return this.#byAgent.get(agentId)?.size ?? 0
  }

  /** How many intents of an agent were taken in within the last minute. */
  lastMinute(agentId: string, nowSeconds: number): number {
    const starts = (this.#starts.get(agentId) ?? []).filter((at) => at > nowSeconds - MINUTE_S)
    if (starts.length === 0) this.#starts.delete(agentId)
    else this.#starts.set(agentId, starts)
    return starts.length
  }

  get size(): number {
    return this.#live.size
  }

  *entries(): IterableIterator<LiveEntry> {
    yield* this.#live.values()
  }

  #settle(key: string, { digest }: IntentRecord, revision: number): void {
    this.#live.delete(key)
    this.#done.set(digest, key)
    trim(this.#done, DONE_KEPT_MAX)
    this.#settled.set(key, revision)
    trim(this.#settled, SETTLED_KEPT_MAX)
  }

  #count(key: string, record: IntentRecord): void {
    const keys = this.#byAgent.get(record.agent_id) ?? new Set()
    if (isFinal(record.state)) keys.delete(key)
    else keys.add(key)
    if (keys.size === 0) this.#byAgent.delete(record.agent_id)
    else this.#byAgent.set(record.agent_id, keys)
  }

  /** Records come about in the order in which they were accepted: what is over a minute older than the newest is dropped. */
  #noteStart({ agent_id, accepted_at }: IntentRecord): void {
    const starts = this.#starts.get(agent_id) ?? []
    const recent =
      (starts[0] ?? accepted_at) > accepted_at - MINUTE_S ? starts : starts.filter((at) => at > accepted_at - MINUTE_S)
    recent.push(accepted_at)
    this.#starts.set(agent_id, recent)
  }
}

function trim(map: Map<string, unknown>, sizeMax: number): void {
  const oldest = map.keys().next().value
  if (map.size > sizeMax && oldest !== undefined) map.delete(oldest)
}
