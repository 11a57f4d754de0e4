import type { AuditStream, StoredMessage, StreamIdentity } from './audit-stream.ts'

interface Limits {
  readonly countMax: number
  readonly bytesMax: number
}

/**
 * A stream that is read on while what was read before is being sealed, and from which what a batch did not take need not be read again. It holds at
 * most what two batches take. Whether the stream is still the one that it was read from is what `identity` asks: ask it before and after each read.
 */
export class ReadAhead implements AuditStream {
  readonly name: string
  readonly #stream: AuditStream
  /** The stream as it was asked last. */
  #seen: StreamIdentity | undefined
  /** Messages in order; none of those that are stored between `from` and `next` is left out. */
  #held: readonly StoredMessage[] = []
  #from = 0
  #next = 0
  #coming: Promise<void> | undefined

  constructor(stream: AuditStream) {
    this.name = stream.name
    this.#stream = stream
  }

  async identity(): Promise<StreamIdentity> {
    const now = await this.#stream.identity()
    const seen = this.#seen
    if (seen !== undefined && (now.created !== seen.created || now.lastSeq < seen.lastSeq)) {
      await this.#coming
      this.#forget(0)
    }
    this.#seen = now
    return now
  }

  async read(from: number, limits: Limits): Promise<readonly StoredMessage[]> {
    await this.#coming
    if (from < this.#from || from > this.#next) this.#forget(from)
    this.#held = this.#held.filter(({ seq }) => seq >= from)
    this.#from = from
    const room = roomBeside(this.#held, limits)
    if (room !== undefined) await this.#readOn(room)
    const taken = beginning(this.#held, limits)
    const full = roomBeside(taken, limits) === undefined
    if (full) this.#coming = this.#readAhead(roomBeside(this.#held.slice(taken.length), limits))
    return taken
  }

  /** What cannot be read now is read when it is needed, and says then why it cannot. */
  async #readAhead(room: Limits | undefined): Promise<void> {
    try {
      if (room !== undefined) await this.#readOn(room)
    } catch {
      return
    } finally {
      this.#coming = undefined
    }
  }

  async #readOn(room: Limits): Promise<void> {
    const more = await this.#stream.read(this.#next, room)
    this.#held = this.#held.concat(more)
    this.#next = Math.max(this.#next, (more.at(-1)?.seq ?? 0) + 1)
  }

  #forget(from: number): void {
    this.#held = []
    this.#from = from
    this.#next = from
  }
}

/** What limits leave beside messages; undefined: nothing. */
function roomBeside(messages: readonly StoredMessage[], { countMax, bytesMax }: Limits): Limits | undefined {
  const bytes = messages.reduce((sum, { body }) => sum + body.length, 0)
  const room = { countMax: countMax - messages.length, bytesMax: bytesMax - bytes }
  return room.countMax > 0 && room.bytesMax > 0 ? room : undefined
}

/** As a read would give it: up to the message with which a limit is reached. */
function beginning(messages: readonly StoredMessage[], { countMax, bytesMax }: Limits): readonly StoredMessage[] {
  let bytes = 0
  let count = 0
  for (const { body } of messages) {
    if (count >= countMax || bytes >= bytesMax) break
    bytes += body.length
    count += 1
  }
  return messages.slice(0, count)
}
