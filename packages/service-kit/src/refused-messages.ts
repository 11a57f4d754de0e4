import { auditEvent, type NewEvent } from '@writ/audit'
import { REASON_CODES, type ReasonCode } from '@writ/contracts'
import type { Registry } from 'prom-client'
import { countBy } from './metrics.ts'

export interface RefusedMessagesOptions {
  /** `AuditSource.recordLater`. May throw while there is no room: the counts wait. */
  readonly record: (events: readonly NewEvent[]) => void
  readonly metrics: Registry
  /** Absent: every second. */
  readonly intervalMs?: number
}

const PAIRS_MAX = 256
const EVENTS_EACH_MAX = 64
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/
/** In place of an id that is none, and of ids beyond the first 256 of an interval: no `Id` begins with it. */
const OTHERS = '_others'

/**
 * Counts what has no valid signature, by the id in its subject and the code: one `messages.refused` event for each pair and second,
 * with nothing of the message in it, so that garbage buys no leaves in the log and no memory here.
 */
export class RefusedMessages implements AsyncDisposable {
  readonly #record: (events: readonly NewEvent[]) => void
  readonly #counted: (code: ReasonCode) => void
  readonly #timer: NodeJS.Timeout
  readonly #counts = new Map<string, { readonly id: string; readonly code: ReasonCode; count: number }>()

  constructor({ record, metrics, intervalMs = 1000 }: RefusedMessagesOptions) {
    this.#record = record
    this.#counted = countBy(metrics, {
      name: 'writ_messages_refused_total',
      help: 'Messages refused because nobody known signed them.',
      label: 'code',
      values: REASON_CODES,
    })
    this.#timer = setInterval(() => this.flush(), intervalMs).unref()
  }

  count(id: string, code: ReasonCode): void {
    this.#counted(code)
    const known = ID.test(id) && (this.#counts.has(`${id} ${code}`) || this.#counts.size < PAIRS_MAX) ? id : OTHERS
    const name = `${known} ${code}`
    const entry = this.#counts.get(name) ?? { id: known, code, count: 0 }
    entry.count += 1
    this.#counts.set(name, entry)
  }

  flush(): void {
    const entries = [...this.#counts].slice(0, EVENTS_EACH_MAX)
    if (entries.length === 0) return
    try {
      this.#record(
        entries.map(([, { id, code, count }]) =>
          auditEvent('messages.refused', { reasons: [code], detail: { id, count } }),
        ),
      )
      for (const [name] of entries) this.#counts.delete(name)
    } catch {
      // No room for the record now: the counts are kept and told with the next second's.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.flush()
  }
}
