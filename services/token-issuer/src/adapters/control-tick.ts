import type { ControlState } from '@writ/authority'
import { type Bus, isRefusal } from '@writ/bus'
import { type Subjects, TICK_FRESH_MS } from '@writ/contracts'

const TICK_TTL_SECONDS = 60

/**
 * Writes ticks to CONTROL on the condition that the last message stored under `control.*` is one that was applied. A message with
 * a TTL is stored, void and no part of the chain; once it has vanished, the last one is an earlier one again.
 */
export class ControlTick {
  readonly #bus: Bus
  readonly #at: Subjects
  readonly #control: ControlState
  readonly #instance: string
  /** The last one that the stream has, where that is not `storedSeq`. */
  #vanished: { readonly storedSeq: number; readonly lastSeq: number } | undefined

  constructor(bus: Bus, at: Subjects, control: ControlState, instance: string) {
    this.#bus = bus
    this.#at = at
    this.#control = control
    this.#instance = instance
  }

  /** True: acknowledged. False: something newer is stored. Throws Fault `unavailable` when it is not known. */
  async tick(): Promise<boolean> {
    const { storedSeq } = this.#control
    const seq = this.#vanished?.storedSeq === storedSeq ? this.#vanished.lastSeq : storedSeq
    try {
      await this.#bus.store(this.#at.tick(this.#instance), '', {
        stream: 'CONTROL',
        expectLast: { seq, subject: this.#at.controlAll },
        ttlSeconds: TICK_TTL_SECONDS,
        timeoutMs: TICK_FRESH_MS,
      })
      return true
    } catch (error) {
      if (isRefusal(error, 'wrong-last-sequence')) return false
      throw error
    }
  }

  /** To be called after CONTROL was read to its end: looks whether what was stored last has vanished. */
  async look(): Promise<void> {
    const { storedSeq, seq } = this.#control
    const last = await this.#bus.lastBySubject('CONTROL', this.#at.controlAll)
    const lastSeq = last?.seq ?? 0
    this.#vanished = lastSeq >= seq && lastSeq < storedSeq ? { storedSeq, lastSeq } : undefined
  }
}
