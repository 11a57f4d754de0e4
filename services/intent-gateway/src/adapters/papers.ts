import { type NewEvent, type SubjectKeys, sealDocument } from '@writ/audit'
import { type EventDocument, Fault, type Message } from '@writ/contracts'
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
/** Longer than this nothing waits for the log; what was recorded stays on its way there. */
const DURABLE_WITHIN_MS = 5000

interface Recorded {
  /** Resolves when it is in the flushed stream. */
  readonly durable: Promise<void>
  isDurable: boolean
}

/**
 * What is durable, whatever it is: a promise keeps what was in hand when it was made, such as the trace of a message, and the names
 * of what was recorded are remembered long.
 */
const DURABLE: Recorded = { durable: Promise.resolve(), isDurable: true }

/**
 * The documents that this service records, each once in the chain of this boot and before anything that rests on it: a plan's must
 * come before its `plan.dispatched` in the same chain (G4), and a restarted process is another chain.
 */
export class Papers {
  readonly keys: SubjectKeys
  readonly #audit: AuditLog
  readonly #clock: Clock
  /** What is in the chain, or on its way, by digest. */
  readonly #recorded = new Map<string, Recorded>()

  constructor(audit: AuditLog, keys: SubjectKeys, clock: Clock) {
    this.#audit = audit
    this.keys = keys
    this.#clock = clock
  }

  /**
   * Resolves when every paper is durable in this chain. `event` carries those that were not there yet, and is not recorded when all
   * were. Throws Fault `unavailable`, at the latest after 5 s: nothing may rest on them yet. What is on its way stays so, and who asks
   * again waits for the same.
   */
  record(event: NewEvent, papers: readonly Paper[]): Promise<void> {
    const names = papers.map(({ jws }) => digestOf(jws))
    const missing = papers.filter((_, index) => !this.#recorded.has(names[index] ?? ''))
    if (missing.length > 0)
      this.#begin(
        missing.map(({ jws }) => digestOf(jws)),
        event,
        missing,
      )
    return this.#durable(names)
  }

  /** Records an event once under a name, with those of the papers that were not there yet. */
  once(name: string, event: NewEvent, papers: readonly Paper[] = []): Promise<void> {
    const missing = papers.filter(({ jws }) => !this.#recorded.has(digestOf(jws)))
    if (!this.#recorded.has(name)) this.#begin([name, ...missing.map(({ jws }) => digestOf(jws))], event, missing)
    return this.#durable([name, ...papers.map(({ jws }) => digestOf(jws))])
  }

  /** Whether it is in this chain, or on its way there. */
  isRecorded(digest: string): boolean {
    return this.#recorded.has(digest)
  }

  /** Resolves when what is recorded under the name is durable. Throws Fault `unavailable` after 5 s. */
  durable(name: string): Promise<void> {
    return this.#durable([name])
  }

  /** Whether it is durable in this chain. */
  isDurable(digest: string): boolean {
    return this.#recorded.get(digest)?.isDurable === true
  }

  pseudonym(user: string): string {
    return this.keys.pseudonym(user)
  }

  #begin(names: readonly string[], event: NewEvent, papers: readonly Paper[]): void {
    const recorded: Recorded = { durable: this.#write(event, papers), isDurable: false }
    for (const name of names) this.#recorded.set(name, recorded)
    recorded.durable.then(
      () => {
        recorded.isDurable = true
        for (const name of names) if (this.#recorded.get(name) === recorded) this.#recorded.set(name, DURABLE)
      },
      () => {
        for (const name of names) if (this.#recorded.get(name) === recorded) this.#recorded.delete(name)
      },
    )
    for (const oldest of this.#recorded.keys()) {
      if (this.#recorded.size <= REMEMBERED_MAX) break
      this.#recorded.delete(oldest)
    }
  }

  async #durable(names: readonly string[]): Promise<void> {
    const open = names.flatMap((name) => {
      const recorded = this.#recorded.get(name)
      return recorded === undefined || recorded.isDurable ? [] : [recorded.durable]
    })
    if (open.length === 0) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Fault('unavailable', { message: 'The audit record is not durable yet.' }))
      }, DURABLE_WITHIN_MS)
    })
    await Promise.race([Promise.all(open), late]).finally(() => clearTimeout(timer))
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
