/** A small seeded generator (mulberry32): the same seed gives the same inputs on every machine, but for samples that are encrypted, which is random. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** From 0 to `below`, without it. */
  below(below: number): number {
    return below <= 1 ? 0 : this.next() % below
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
