import { type NewEvent, type SubjectKeys, sealDocument } from '@writ/audit'
import type { EventDocument, Message } from '@writ/contracts'
import { digestOf } from '@writ/keys'
import { spread } from '../core/paper-events.ts'
import type { AuditLog, Clock } from '../ports.ts'

/** A signed message as evidence: under the key of a user, under the key `records`, or in the clear where the contract says so. */
export interface Paper {
  readonly message: Pick<Message, 'typ'>
  readonly jws: string
  readonly under: { readonly user: string } | 'records' | 'clear'
}

const REMEMBERED_MAX = 200_000

/**
 * The documents that this service records, each once in the chain of this boot and before anything that rests on it: a plan's must
 * come before its `plan.dispatched` in the same chain (G4), and a restarted process is another chain.
 */
export class Papers {
  readonly keys: SubjectKeys
  readonly #audit: AuditLog
  readonly #clock: Clock
  /** Digests that are in the chain, or on their way. */
  readonly #recorded = new Map<string, Promise<void>>()

  constructor(audit: AuditLog, keys: SubjectKeys, clock: Clock) {
    this.#audit = audit
    this.keys = keys
    this.#clock = clock
  }

  /**
   * Resolves when every paper is durable in this chain. `event` carries those that were not there yet, and is not recorded when all
   * were. Throws Fault `unavailable`: nothing may rest on them.
   */
  async record(event: NewEvent, papers: readonly Paper[]): Promise<void> {
    for (;;) {
      const missing = papers.filter(({ jws }) => !this.#recorded.has(digestOf(jws)))
      if (missing.length > 0) this.#begin(event, missing)
      const before = papers.map(({ jws }) => this.#recorded.get(digestOf(jws)) ?? Promise.resolve())
      const settled = await Promise.allSettled(before)
      // One that somebody else had begun and that failed is ours to try now; our own failure is the caller's.
      const failed = settled.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (failed === undefined) return
      if (missing.length > 0) throw failed.reason
    }
  }

  /** Records an event whatever was recorded before, with those of the papers that were not. */
  async recordAlways(event: NewEvent, papers: readonly Paper[]): Promise<void> {
    const missing = papers.filter(({ jws }) => !this.#recorded.has(digestOf(jws)))
    if (missing.length === 0) await this.always(event)
    await this.record(event, papers)
  }

  /** Records an event that carries none. */
  always(event: NewEvent, timeoutMs?: number): Promise<void> {
    return this.#audit.record([event], timeoutMs)
  }

  pseudonym(user: string): string {
    return this.keys.pseudonym(user)
  }

  #begin(event: NewEvent, papers: readonly Paper[]): void {
    const done = this.#write(event, papers)
    for (const { jws } of papers) this.#recorded.set(digestOf(jws), done)
    done.catch(() => {
      for (const { jws } of papers) if (this.#recorded.get(digestOf(jws)) === done) this.#recorded.delete(digestOf(jws))
    })
    for (const oldest of this.#recorded.keys()) {
      if (this.#recorded.size <= REMEMBERED_MAX) break
      this.#recorded.delete(oldest)
    }
  }

  async #write(event: NewEvent, papers: readonly Paper[]): Promise<void> {
    const documents = await Promise.all(papers.map((paper) => this.#document(paper)))
    await this.#audit.record(spread(event, documents))
  }

  async #document({ message, jws, under }: Paper): Promise<EventDocument> {
    if (under === 'clear') return { typ: message.typ, digest: digestOf(jws), jws }
    const key =
      under === 'records'
        ? await this.keys.recordsKey()
        : await this.keys.keyOf(under.user, this.#clock.nowSeconds() * 1000)
    return sealDocument(message.typ, jws, key)
  }
}
