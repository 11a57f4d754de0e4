import type { Freshness } from './freshness.ts'

export interface TickPorts {
  /**
   * Writes a tick on the condition that the last message stored under `control.*` is the one this issuer has applied. True:
   * acknowledged. False: the condition does not hold. Throws when it is not known.
   */
  readonly tick: () => Promise<boolean>
  /** Applies what CONTROL holds and this issuer has not applied yet. Throws Fault `unavailable` when it cannot be read to its end. */
  readonly catchUp: () => Promise<void>
  readonly monotonicMs: () => number
  /** Resolves after `ms`, or at once when stopped. */
  readonly wait: (ms: number) => Promise<void>
  readonly acknowledged: (tookMs: number) => void
  readonly failed: (error: unknown) => void
}

export const TICK_EVERY_MS = 1000
/** Between two attempts while ticks fail: "at once", but no busy loop. */
const RETRY_MS = 50

/**
 * Ticks every second until `stopped`. After a failed tick it catches up and tries again at once; while it fails nobody is told
 * that this issuer is fresh.
 */
export async function tickLoop(ports: TickPorts, freshness: Freshness, stopped: () => boolean): Promise<void> {
  while (!stopped()) {
    const startedMs = ports.monotonicMs()
    if (await attempt(ports)) {
      freshness.acknowledged(startedMs)
      const tookMs = ports.monotonicMs() - startedMs
      ports.acknowledged(tookMs)
      await ports.wait(Math.max(0, TICK_EVERY_MS - tookMs))
    } else {
      await ports.catchUp().catch(ports.failed)
      await ports.wait(RETRY_MS)
    }
  }
}

async function attempt(ports: TickPorts): Promise<boolean> {
  try {
    if (await ports.tick()) return true
    ports.failed(new Error('something newer is stored in CONTROL'))
  } catch (error) {
    ports.failed(error)
  }
  return false
}
