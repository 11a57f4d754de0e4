import { LogStopped, type SealOutcome, TILE_WIDTH } from '@writ/audit'
import { type Held, HeldMessages } from './held-messages.ts'

export interface SealLoopPorts {
  /** `Sealer.seal`: throws LogStopped when a person must look, else trying again helps. Never called twice at once. */
  readonly seal: () => Promise<SealOutcome>
  /** After each seal, once what it covers has been acknowledged: announce it, count it. Must not throw. */
  readonly sealed: (outcome: SealOutcome) => Promise<void>
  readonly failed: (error: unknown) => void
  /** Calls back after some time, unless cancelled. */
  readonly after: (ms: number, callback: () => void) => () => void
  /** The oldest message waits at most this long for its seal. */
  readonly sealMs: number
  /** With nothing in hand, the log and the streams are looked at after this time all the same. */
  readonly idleMs: number
}

/** Why the loop waits: for its next look round, for the oldest message's time, for nothing. A later one takes the place of those before it. */
const WAITS = ['idle', 'oldest', 'none'] as const
type Wait = (typeof WAITS)[number]

const RETRY_MS = [250, 500, 1000, 2000, 5000] as const

/**
 * Decides when to seal: when messages fill a tile, when the oldest has waited long enough, once at the start to finish what was left unfinished, and now
 * and then with nothing in hand: a replica that is paused keeps its connection and is given deliveries, which nobody else would hear of.
 * A message is acknowledged after the checkpoint that covers it is in the store, never before.
 */
export class SealLoop {
  readonly #ports: SealLoopPorts
  readonly #held = new HeldMessages()
  #size = 0
  #failures = 0
  /** A person must look: nothing is sealed any more. */
  #broken = false
  #problem: string | undefined = 'The log has not been opened yet.'
  #phase: 'running' | 'stopping' | 'stopped' = 'running'
  #timer: { readonly wait: Wait; readonly cancel: () => void } | undefined
  #run: Promise<void> | undefined

  constructor(ports: SealLoopPorts) {
    this.#ports = ports
  }

  /** Why nothing is sealed now, in words for an operator. */
  get problem(): string | undefined {
    return this.#problem
  }

  get waiting(): number {
    return this.#held.size
  }

  start(): void {
    this.#schedule('none')
  }

  /** Takes a delivery in hand. It is settled by exactly one call of its functions. */
  hold(message: Held): void {
    if (this.#phase === 'stopped') {
      message.release()
      return
    }
    this.#held.add(message)
    if (this.#failures === 0) this.#scheduleNext()
  }

  /**
   * Finishes the seal in hand, calls `beforeLast`, seals once more what came until then, and lets the rest go. Deliveries held from then on are let go
   * at once.
   */
  async stop(beforeLast: () => Promise<void>): Promise<void> {
    if (this.#phase !== 'running') return
    this.#phase = 'stopping'
    this.#timer?.cancel()
    await this.#run
    await beforeLast()
    if (!this.#broken) await this.#sealOnce()
    this.#phase = 'stopped'
    this.#held.releaseAll()
  }

  #scheduleNext(): void {
    const room = TILE_WIDTH - (this.#size % TILE_WIDTH)
    if (this.#held.size >= room) this.#schedule('none')
    else if (this.#held.size > 0) this.#schedule('oldest', this.#ports.sealMs)
    else this.#schedule('idle', this.#ports.idleMs)
  }

  #schedule(wait: Wait, ms = 0): void {
    if (this.#phase !== 'running' || this.#run !== undefined) return
    if (this.#timer !== undefined) {
      if (WAITS.indexOf(wait) <= WAITS.indexOf(this.#timer.wait)) return
      this.#timer.cancel()
    }
    const cancel = this.#ports.after(ms, () => {
      this.#timer = undefined
      this.#run = this.#sealAndGoOn()
    })
    this.#timer = { wait, cancel }
  }

  async #sealAndGoOn(): Promise<void> {
    const more = await this.#sealOnce()
    this.#run = undefined
    if (this.#broken) return
    if (this.#failures > 0) this.#schedule('oldest', RETRY_MS[Math.min(this.#failures, RETRY_MS.length) - 1])
    else if (more) this.#schedule('none')
    else this.#scheduleNext()
  }

  /** Whether there is more to seal at once. */
  async #sealOnce(): Promise<boolean> {
    const before = this.#held.snapshot()
    try {
      const outcome = await this.#ports.seal()
      this.#size = outcome.tree.size
      this.#failures = 0
      this.#problem = undefined
      for (const message of this.#held.takeSettled(before, outcome.positions)) message.acknowledge()
      await this.#ports.sealed(outcome)
      return outcome.more
    } catch (error) {
      this.#broken = error instanceof LogStopped
      this.#failures += 1
      this.#problem = error instanceof Error ? error.message : 'Sealing failed.'
      this.#ports.failed(error)
      return false
    }
  }
}
