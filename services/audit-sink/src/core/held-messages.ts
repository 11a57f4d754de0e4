import type { StreamPosition } from '@writ/audit'

/** A delivery that waits for its seal. */
export interface Held {
  readonly stream: string
  readonly seq: number
  /** It is in the log, or never will be. */
  readonly acknowledge: () => void
  /** It has been delivered again, and that delivery is the one to answer. */
  readonly replaced: () => void
  /** It is not sealed, and this process seals no more: somebody else is to have it. */
  readonly release: () => void
}

/** Deliveries in hand, at most one of each message: when one comes again, the earlier is forgotten. */
export class HeldMessages {
  #held = new Map<string, Held>()

  get size(): number {
    return this.#held.size
  }

  add(message: Held): void {
    const place = `${message.stream} ${message.seq}`
    this.#held.get(place)?.replaced()
    this.#held.set(place, message)
  }

  /** What is in hand now. */
  snapshot(): readonly Held[] {
    return [...this.#held.values()]
  }

  /**
   * Takes out those of a snapshot that positions cover. Only what was in hand before the positions were found may be judged by them: a stream that was
   * created anew meanwhile gives other messages the same numbers.
   */
  takeSettled(before: readonly Held[], positions: Readonly<Record<string, StreamPosition>>): readonly Held[] {
    const settled = before.filter(({ stream, seq }) => seq <= (positions[stream]?.seq ?? 0))
    return settled.filter((message) => this.#take(message))
  }

  releaseAll(): void {
    for (const message of this.snapshot()) if (this.#take(message)) message.release()
  }

  #take(message: Held): boolean {
    const place = `${message.stream} ${message.seq}`
    return this.#held.get(place) === message && this.#held.delete(place)
  }
}
