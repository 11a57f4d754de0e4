/** Minutes without a message after which a source gives a sign of life (CONTRACT, `source.heartbeat`). */
const HEARTBEAT_MINUTES = { service: 1, gateway: 15 } as const
/** Signs of life that may be missing before a source counts as silent: one may be late, one on its way. */
const HEARTBEATS_MISSED = 3

/** In how many minutes after a source's last message others may have signed something without it counting as silent. */
export function silentAfterMinutes(source: string): number {
  return HEARTBEATS_MISSED * HEARTBEAT_MINUTES[source.startsWith('gateway/') ? 'gateway' : 'service']
}

/**
 * The minutes in which services signed something. Silence is counted in them and not by the clock: where all of them slept (a machine that was
 * suspended, a plane that was off over night) nobody was silent while others went on. Some twenty bytes a minute of a log.
 */
export class ActiveMinutes {
  readonly #minutes = new Set<number>()
  #sorted: readonly number[] | undefined

  add(seconds: number): void {
    const minute = Math.floor(seconds / 60)
    if (this.#minutes.has(minute)) return
    this.#minutes.add(minute)
    this.#sorted = undefined
  }

  /** How many there are after the one of this instant. */
  after(seconds: number): number {
    this.#sorted ??= [...this.#minutes].sort((a, b) => a - b)
    const minute = Math.floor(seconds / 60)
    let [low, high] = [0, this.#sorted.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#sorted[middle] ?? 0) > minute) high = middle
      else low = middle + 1
    }
    return this.#sorted.length - low
  }
}
