import { EVENTS_MAX, Fault } from '@writ/contracts'

/** One call of `record` or `keep`: settled when all of its events are that far, or one cannot be kept. */
export interface Ticket {
  readonly waitsFor: 'stream' | 'disk'
  left: number
  readonly resolve: () => void
  readonly reject: (fault: Fault) => void
}

export interface WaitingEvent {
  /** As it is signed. */
  readonly json: string
  /** Length of its JSON. */
  readonly bytes: number
  /** Absent for what runs beside: nobody waits for it, and it is tried until it is kept. */
  readonly ticket?: Ticket
}

/** Events in the order in which they were recorded, before a message takes them. Bounded: a full queue refuses. */
export class WaitingEvents {
  readonly #bytesMax: number
  #events: WaitingEvent[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Whether somebody waits for the disk, which is there whatever the bus does. */
  get urgent(): boolean {
    return this.#events.some(({ ticket }) => ticket?.waitsFor === 'disk')
  }

  get size(): number {
    return this.#events.length
  }

  /** Throws Fault `unavailable` when they would not fit; then none is taken. */
  push(events: readonly WaitingEvent[]): void {
    const bytes = sum(events)
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new Fault('unavailable', { message: 'Too many audit events wait to be written.' })
    }
    this.#events.push(...events)
    this.#bytes += bytes
  }

  /** The next events that fit into one message whose events may take `bytesMax`: at least one, at most 64. */
  take(bytesMax: number): WaitingEvent[] {
    let count = 0
    let bytes = 0
    for (const event of this.#events) {
      bytes += event.bytes + 1
      if (count === EVENTS_MAX || (count > 0 && bytes > bytesMax)) break
      count += 1
    }
    const taken = this.#events.splice(0, count)
    this.#bytes -= sum(taken)
    return taken
  }

  /**
   * After a message could not be kept: who waits is told and loses all of his events, also those behind, which may rest on what
   * was before them; the rest goes back to the front.
   */
  fail(taken: readonly WaitingEvent[], fault: Fault): void {
    const failed = new Set([...taken, ...this.#events].flatMap(({ ticket }) => (ticket === undefined ? [] : [ticket])))
    for (const ticket of failed) ticket.reject(fault)
    const kept = [...taken, ...this.#events].filter(({ ticket }) => ticket === undefined || !failed.has(ticket))
    this.#events = kept
    this.#bytes = sum(kept)
  }
}

function sum(events: readonly WaitingEvent[]): number {
  return events.reduce((total, { bytes }) => total + bytes, 0)
}
