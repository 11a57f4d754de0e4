import type { AuditEntry } from '../core/audit-entry.ts'
import type { Digests } from '../core/source-heads.ts'

/** Digests of what was looked up or sealed lately, so that messages sent again cost no reads. It changes cost only, never an answer. */
export class RecentDigests {
  readonly #generationMax: number
  #young = new Generation()
  #old = new Generation()

  /** @param generationMax how many numbers are remembered at least, and half of how many at most */
  constructor(generationMax = 50_000) {
    this.#generationMax = generationMax
  }

  get(source: string, seq: number): Digests | undefined {
    return this.#young.get(source, seq) ?? this.#old.get(source, seq)
  }

  set(source: string, seq: number, digests: Digests): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young
      this.#young = new Generation()
    }
    this.#young.set(source, seq, digests)
  }

  /** What was just sealed. Others under the same number are known already, or were free before. */
  add(entries: readonly AuditEntry[]): void {
    for (const { source, seq, digest } of entries) {
      const before = this.get(source, seq)
      if (before === undefined) this.set(source, seq, [digest])
      else this.set(source, seq, before === 'forgotten' ? before : before.concat(digest))
    }
  }
}

class Generation {
  size = 0
  readonly #sources = new Map<string, Map<number, Digests>>()

  get(source: string, seq: number): Digests | undefined {
    return this.#sources.get(source)?.get(seq)
  }

  set(source: string, seq: number, digests: Digests): void {
    const own = this.#sources.get(source) ?? new Map<number, Digests>()
    if (!own.has(seq)) this.size += 1
    this.#sources.set(source, own.set(seq, digests))
  }
}
