import { type AuditEvent, type StoreStatement, storeStatementOf } from '@writ/contracts'
import type { Where } from './verdicts.ts'

/** What a sink said of the store that it wrote to. */
export interface StoreUse {
  /** Origin of the log in which it said so. */
  readonly log: string
  /** Where it said so first. */
  readonly leaf: number
  readonly source: string
  /** By the sink's clock, RFC 3339. */
  readonly from: string
  /** How many starts said the same. */
  readonly starts: number
  readonly statement: StoreStatement
}

/** Different statements that are kept; honest sinks say the same at every start. */
const STATEMENTS_MAX = 1000

/** What sinks said of their stores when they started, each different statement once an epoch. */
export class StoreStatements {
  readonly #uses = new Map<string, StoreUse>()

  /** Takes a verified `source.started` in. */
  started({ timestamp, detail }: AuditEvent, log: string, { leaf = 0, source = '' }: Where): void {
    const statement = source.startsWith('audit-sink/') ? storeStatementOf(detail) : undefined
    if (statement === undefined) return
    const name = `${log} ${JSON.stringify(statement)}`
    const known = this.#uses.get(name)
    if (known !== undefined) this.#uses.set(name, { ...known, starts: known.starts + 1 })
    else if (this.#uses.size < STATEMENTS_MAX)
      this.#uses.set(name, { log, leaf, source, from: timestamp, starts: 1, statement })
  }

  get list(): readonly StoreUse[] {
    return [...this.#uses.values()]
  }
}
