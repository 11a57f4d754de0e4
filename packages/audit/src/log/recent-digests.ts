import type { AuditEntry } from '../core/audit-entry.ts'
import type { Digests } from '../core/source-heads.ts'

/** Digests of what was looked up or sealed lately, so that messages sent again cost no reads. It changes cost only, never an answer. */
export class RecentDigests {
  readonly #generationMax: number
  #young = new Map<string, Digests>()
  #old = new Map<string, Digests>()

  /** @param generationMax how many numbers are remembered at least, and half of how many at most */
  constructor(generationMax = 50_000) {
    this.#generationMax = generationMax
  }

  get(source: string, seq: number): Digests | undefined {
    const place = `${source} ${seq}`
    return this.#young.get(place) ?? this.#old.get(place)
  }

  set(source: string, seq: number, digests: Digests): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(`${source} ${seq}`, digests)
  }

  /** What was just sealed. Others under the same number are known already, or were free before. */
  add(entries: readonly AuditEntry[]): void {
    for (const { source, seq, digest } of entries) {
      const before = this.get(source, seq) ?? []
      this.set(source, seq, before === 'forgotten' ? before : before.concat(digest))
    }
  }
}
