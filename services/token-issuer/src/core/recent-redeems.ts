import { Fault, type Reason } from '@writ/contracts'
import { RecentSet } from './recent-set.ts'

/**
 * What this process has answered lately: so that the same bytes get the same no, one `jti` does not serve two messages, and a
 * repetition is recorded once. Bounded, and forgotten with the process; yes is never said from here, the bucket alone spends.
 */
export class RecentRedeems {
  readonly #entriesMax: number
  readonly #digestByJti = new Map<string, string>()
  readonly #refusals = new Map<string, Reason>()
  readonly #recorded: RecentSet
  readonly #recording = new Map<string, Promise<void>>()

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax
    this.#recorded = new RecentSet(entriesMax)
  }

  /** Throws Fault `replayed` when another message has used the gateway's `jti`; else it is this message's. */
  take(gatewayId: string, jti: string, digest: string): void {
    const name = `${gatewayId}/${jti}`
    const known = this.#digestByJti.get(name)
    if (known !== undefined && known !== digest)
      throw new Fault('replayed', { message: 'Another redeem has used this jti.' })
    this.#keep(this.#digestByJti, name, digest)
  }

  refusalOf(digest: string): Reason | undefined {
    return this.#refusals.get(digest)
  }

  /** "Could not decide" is no answer to be given again. */
  refused(digest: string, reason: Reason): void {
    if (reason.code !== 'unavailable' && reason.code !== 'internal') this.#keep(this.#refusals, digest, reason)
  }

  /**
   * Resolves when the audit record of this redemption is durable. One that somebody no longer waits for is still on its way: a
   * repetition waits for that one, and makes none beside it.
   */
  async record(digest: string, record: () => Promise<void>): Promise<void> {
    if (this.#recorded.has(digest)) return
    const running = this.#recording.get(digest)
    if (running !== undefined) return await running
    const made = record()
      .then(() => this.#recorded.add(digest))
      .finally(() => this.#recording.delete(digest))
    this.#recording.set(digest, made)
    await made
  }

  #keep<T>(map: Map<string, T>, key: string, value: T): void {
    map.set(key, value)
    if (map.size > this.#entriesMax) map.delete(map.keys().next().value as string)
  }
}
