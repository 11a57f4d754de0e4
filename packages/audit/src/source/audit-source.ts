import { Fault, keyMessage, type ServiceRole, subjects } from '@writ/contracts'
import type { AuditSourceOptions, AuditSourceStats } from './audit-source-options.ts'
import { Chain, clearDocument } from './chain.ts'
import { type Clock, systemClock } from './clock.ts'
import { openBoots } from './earlier-boots.ts'
import { auditEvent, type NewEvent } from './events.ts'
import { type Kept, Outbox } from './outbox.ts'
import { ResendSchedule } from './resend-schedule.ts'
import { Sender } from './sender.ts'
import { type Ticket, type WaitingEvent, WaitingEvents } from './waiting-events.ts'

interface Outgoing {
  readonly kept: Kept
  readonly events: readonly WaitingEvent[]
}

const WAITING_BYTES_MAX = 16 << 20
const OUTBOX_BYTES_MAX = 64 << 20
/** How much of the outbox may be in use when an event comes: what lets an effect go stops first, then steps that lead to one; ends find room. */
const ROOM = { effect: 3 / 4, step: 7 / 8, happened: 1 } as const
const RESEND_MESSAGES_MAX = 100
const RETRY_AFTER_MS = 1000

/**
 * Signs what one source records, as one chain of messages, and sees to it that the log gets every one of them.
 *
 * A message is in the outbox (flushed) before it is published, and stays there until a signed checkpoint covers it. One is in
 * flight at a time, so the stream's order is the chain's. Events that are recorded meanwhile share the next message.
 */
export class AuditSource implements AsyncDisposable {
  /** Resolves when `source.started` is durable: no decision, token, plan or redeem may be signed by the process before. Rejects when stopped earlier. */
  readonly started: Promise<void>
  readonly #options: AuditSourceOptions
  readonly #clock: Clock
  readonly #chain: Chain
  readonly #outbox: Outbox
  readonly #sender: Sender
  readonly #resends: ResendSchedule
  readonly #waiting: WaitingEvents = new WaitingEvents(WAITING_BYTES_MAX)
  readonly #pending = new Set<Kept>()
  #earlier: readonly Outbox[]
  #queue: Outgoing[] = []
  #inFlight: Outgoing | undefined
  #again: Kept[] = []
  #turn = false
  #state: 'starting' | 'running' | 'stopping' | 'stopped' = 'starting'
  readonly #startTicket: Ticket
  #signed: Promise<void> = Promise.resolve()
  #signing = false
  #sending = false
  #cancelHeartbeat: () => void = () => {}
  #stopping: Promise<void> | undefined

  private constructor(
    options: AuditSourceOptions,
    chain: Chain,
    clock: Clock,
    outbox: Outbox,
    earlier: readonly Outbox[],
  ) {
    this.#options = options
    this.#chain = chain
    this.#clock = clock
    this.#outbox = outbox
    this.#earlier = earlier
    this.#sender = new Sender({ publish: options.publish, clock, report: options.report })
    this.#resends = new ResendSchedule(clock, () => this.#sendAgain())
    const { promise, ticket } = newTicket(1, 'stream')
    this.started = promise
    this.#startTicket = ticket
  }

  /**
   * Opens the outboxes, queues what earlier boots left and then `source.started`, which is on disk when this resolves. Throws Fault
   * `unavailable` when the disk fails and `internal` when an outbox is damaged: the process must not start.
   */
  static async start(options: AuditSourceOptions): Promise<AuditSource> {
    const clock = options.clock ?? systemClock
    const chain = new Chain({ ...options, nowMs: () => clock.nowMs() })
    const { earlier, path } = await openBoots(options.dir, options.boot)
    const outbox = await Outbox.open(path, options.journal)
    const source = new AuditSource(options, chain, clock, outbox, earlier)
    await source.#begin()
    return source
  }

  get name(): string {
    return this.#chain.source
  }

  /** Messages that the log is not known to hold, oldest first, those of earlier boots too: the bytes that are sent. */
  get kept(): readonly Uint8Array[] {
    return this.#outboxes().flatMap(({ uncovered }) => uncovered.map(({ bytes }) => bytes))
  }

  get stats(): AuditSourceStats {
    const outboxes = this.#outboxes()
    return {
      waiting: this.#waiting.size,
      unsent: this.#queue.length + (this.#inFlight === undefined ? 0 : 1),
      uncovered: outboxes.reduce((sum, { uncovered }) => sum + uncovered.length, 0),
      uncoveredBytes: this.#uncoveredBytes(),
      away: this.#sender.away,
    }
  }

  /**
   * Resolves when all events are durable: acknowledged by the flushed stream, and kept here until the log has them. Order of calls is
   * order in the chain. Throws Fault `unavailable` when disk or outbox are full, when stopping, or after `timeoutMs`: whoever let
   * an effect wait for it must not proceed, although the events may still reach the log. `too_large`, `internal`: a bug of the caller.
   */
  async record(events: readonly NewEvent[], timeoutMs?: number): Promise<void> {
    if (events.length === 0) return
    const { promise, ticket } = newTicket(events.length, 'stream')
    this.#take(events, this.#outboxBytesMax() * ROOM.effect, ticket)
    if (timeoutMs === undefined) return promise
    const cancel = this.#clock.after(timeoutMs, () => {
      ticket.reject(new Fault('unavailable', { message: `The audit record was not durable within ${timeoutMs} ms.` }))
    })
    await promise.finally(cancel)
  }

  /**
   * Resolves when the events are on the disk here, so that they reach the log whatever becomes of this process: before something is
   * handed out that the log shall name. Not for what lets an effect go. Throws as `record` does.
   */
  keep(events: readonly NewEvent[]): Promise<void> {
    return this.#kept(events, ROOM.step)
  }

  /** The same for what has happened already and cannot be refused any more: it finds the room that steps before it leave. */
  keepHappened(events: readonly NewEvent[]): Promise<void> {
    return this.#kept(events, ROOM.happened)
  }

  #kept(events: readonly NewEvent[], room: number): Promise<void> {
    if (events.length === 0) return Promise.resolve()
    const { promise, ticket } = newTicket(events.length, 'disk')
    this.#take(events, this.#outboxBytesMax() * room, ticket)
    return promise
  }

  /**
   * Records beside the work: nobody waits, and while the bus is away the events go to the outbox. Throws Fault `unavailable` when there
   * is no room left, and then none of them is taken; nothing that was taken is dropped while the process lives.
   */
  recordLater(events: readonly NewEvent[]): void {
    this.#take(events, this.#outboxBytesMax() * ROOM.happened)
  }

  /** A later endorsement of the same key, recorded so that the log can judge what is signed under it. */
  recordEndorsement(jws: string): Promise<void> {
    return this.record([auditEvent('source.heartbeat', { documents: [clearDocument(keyMessage.typ, jws)] })])
  }

  /** Takes a `sealed` message as it came from the bus: lets go of what it covers if both of its signatures verify, else throws. */
  async onSealed(body: Uint8Array): Promise<void> {
    const { heads, checkpoint } = await this.#options.verifySealed(body)
    await this.#options.verifyCheckpoint(checkpoint)
    if (this.#state === 'stopped') return
    let progress = false
    for (const outbox of this.#outboxes()) progress = (await this.#cover(outbox, heads)) || progress
    if (!progress) return
    this.#resends.progress(this.#outboxes().some(({ uncovered }) => uncovered.length > 0))
    this.#sender.nudge()
    await this.#forgetCoveredBoots()
  }

  /** Records `source.stopped`, waits up to `timeoutMs` for what is on its way, leaves the rest in the outbox for the next boot. */
  stop(timeoutMs = 5000): Promise<void> {
    this.#stopping ??= this.#stop(timeoutMs)
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #begin(): Promise<void> {
    const previous = this.#earlier.findLast(({ head }) => head !== undefined)?.head
    const { endorsement, started } = this.#options
    const detail = {
      ...started,
      ...(previous && { previous: { source: previous.source, seq: previous.seq, digest: previous.digest } }),
    }
    const { json, bytes } = this.#chain.event(
      auditEvent('source.started', {
        ...(Object.keys(detail).length > 0 && { detail }),
        ...(endorsement !== undefined && { documents: [clearDocument(keyMessage.typ, endorsement)] }),
      }),
    )
    const kept = await this.#keep([json])
    for (const { uncovered } of this.#earlier) for (const old of uncovered) this.#enqueue({ kept: old, events: [] })
    this.#enqueue({ kept, events: [{ json, bytes, ticket: this.#startTicket }] })
    this.started.then(
      () => this.#run(),
      () => {},
    )
  }

  #run(): void {
    if (this.#state === 'starting') this.#state = 'running'
    this.#sign()
    void this.#forgetCoveredBoots()
  }

  /** Checks and queues events, all or none. */
  #take(fields: readonly NewEvent[], outboxBytesMax: number, ticket?: Ticket): void {
    if (this.#state === 'stopping' || this.#state === 'stopped') {
      throw new Fault('unavailable', { message: 'The audit source is stopping.' })
    }
    if (this.#uncoveredBytes() > outboxBytesMax) {
      throw new Fault('unavailable', { message: 'The audit outbox is full: the log has not taken it over.' })
    }
    this.#push(fields, ticket)
  }

  #push(fields: readonly NewEvent[], ticket?: Ticket): void {
    this.#waiting.push(fields.map((event) => ({ ...this.#chain.event(event), ...(ticket && { ticket }) })))
    this.#sign()
  }

  /** Starts to make messages of what waits, unless that goes on already. */
  #sign(): void {
    // Until the start is durable only what is awaited on the disk is signed, behind it in the chain.
    const waits = this.#state === 'starting' && !this.#waiting.urgent
    if (this.#signing || waits || this.#state === 'stopped') return
    this.#signing = true
    this.#signed = this.#signWaiting()
  }

  /**
   * One message is prepared while another is in flight; more would only make smaller batches. While the bus is away there is nothing
   * to wait for: what waits goes to the disk.
   */
  async #signWaiting(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.size > 0 && this.#mayBeSigned()) {
      const taken = this.#waiting.take(this.#chain.eventBytesMax)
      try {
        this.#enqueue({ kept: await this.#keep(taken.map(({ json }) => json)), events: taken })
        settle(taken, 'disk')
      } catch (cause) {
        this.#options.report('An audit message could not be kept.', cause)
        this.#waiting.fail(taken, new Fault('unavailable', { message: 'The audit record could not be kept.', cause }))
        if (this.#state === 'running') this.#clock.after(RETRY_AFTER_MS, () => this.#sign())
        break
      }
    }
    this.#signing = false
  }

  #mayBeSigned(): boolean {
    return this.#queue.length === 0 || this.#sender.away || this.#state === 'stopping' || this.#waiting.urgent
  }

  async #keep(events: readonly string[]): Promise<Kept> {
    const kept = await this.#chain.sign(this.#outbox.head, events)
    await this.#outbox.append(kept)
    this.#resends.start()
    this.#cancelHeartbeat()
    this.#cancelHeartbeat = this.#clock.after(this.#heartbeatMs(), () => this.#heartbeat())
    return kept
  }

  #heartbeat(): void {
    this.#cancelHeartbeat = this.#clock.after(this.#heartbeatMs(), () => this.#heartbeat())
    if (this.#state !== 'running') return
    try {
      this.recordLater([auditEvent('source.heartbeat', {})])
    } catch (cause) {
      this.#options.report('No room for a heartbeat.', cause)
    }
  }

  #enqueue(outgoing: Outgoing): void {
    this.#pending.add(outgoing.kept)
    this.#queue.push(outgoing)
    void this.#pump()
  }

  async #pump(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#inFlight = next
      this.#sign()
      const covered = () => this.#isCovered(next.kept)
      const sent = await this.#sender.send(this.#subjectOf(next.kept), next.kept.bytes, covered)
      if (!sent && !covered()) break
      this.#inFlight = undefined
      this.#pending.delete(next.kept)
      settle(next.events, 'stream')
    }
    this.#sending = false
    this.#sign()
  }

  /** What was never sent and what is sent again take turns, so that neither keeps the other waiting. */
  #next(): Outgoing | undefined {
    if (this.#state === 'stopped') return undefined
    const again = this.#turn || this.#queue.length === 0 ? this.#again.shift() : undefined
    this.#turn = again === undefined
    return again === undefined ? this.#queue.shift() : { kept: again, events: [] }
  }

  #sendAgain(): void {
    const sent = this.#outboxes().flatMap(({ uncovered }) => uncovered.filter((kept) => !this.#pending.has(kept)))
    for (const kept of sent.slice(0, RESEND_MESSAGES_MAX)) {
      this.#pending.add(kept)
      this.#again.push(kept)
    }
    this.#resends.start()
    void this.#pump()
  }

  async #cover(outbox: Outbox, heads: Readonly<Record<string, number>>): Promise<boolean> {
    const head = outbox.head
    if (head === undefined || !Object.hasOwn(heads, head.source)) return false
    const seq = heads[head.source] ?? -1
    if (seq > head.seq) this.#options.report(`The log holds messages of ${head.source} that this outbox never held.`)
    const before = outbox.uncovered.length
    await outbox.cover(seq).catch((cause: unknown) => this.#options.report('An outbox could not be compacted.', cause))
    return outbox.uncovered.length < before
  }

  /** An earlier boot's outbox goes when the log has all of it and this boot's first message, which names its head, is durable. */
  async #forgetCoveredBoots(): Promise<void> {
    if (this.#state !== 'running') return
    const covered = this.#earlier.filter(({ uncovered }) => uncovered.length === 0)
    this.#earlier = this.#earlier.filter(({ uncovered }) => uncovered.length > 0)
    for (const outbox of covered) {
      await outbox.remove().catch((cause: unknown) => this.#options.report('An outbox could not be removed.', cause))
    }
  }

  async #stop(timeoutMs: number): Promise<void> {
    const { promise, ticket } = newTicket(1, 'stream')
    this.#push([auditEvent('source.stopped', {})], ticket)
    this.#state = 'stopping'
    this.#sign()
    const fault = new Fault('unavailable', { message: 'The audit source stopped before the record was durable.' })
    const cancel = this.#clock.after(timeoutMs, () => ticket.reject(fault))
    await promise.catch(() => {})
    cancel()
    await this.#signed
    this.#state = 'stopped'
    this.#sender.stop()
    this.#resends.stop()
    this.#cancelHeartbeat()
    for (const { events } of [...this.#queue, ...(this.#inFlight ? [this.#inFlight] : [])]) reject(events, fault)
    for (const outbox of this.#outboxes()) await outbox.close()
  }

  #isCovered({ source, seq }: Kept): boolean {
    const outbox = this.#outboxes().find(({ head }) => head?.source === source)
    return outbox === undefined || outbox.covers(seq)
  }

  #outboxes(): readonly Outbox[] {
    return [...this.#earlier, this.#outbox]
  }

  #uncoveredBytes(): number {
    return this.#outboxes().reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #outboxBytesMax(): number {
    return this.#options.outboxBytesMax ?? OUTBOX_BYTES_MAX
  }

  #heartbeatMs(): number {
    return this.#options.heartbeatMs ?? (this.#options.role === 'gateway' ? 15 * 60_000 : 60_000)
  }

  #subjectOf({ source }: Kept): string {
    const [role, instance, boot] = source.split('/') as [ServiceRole | 'gateway', string, string]
    return subjects(this.#options.region).audit(role, instance, boot)
  }
}

function newTicket(
  left: number,
  waitsFor: Ticket['waitsFor'],
): { readonly promise: Promise<void>; readonly ticket: Ticket } {
  let settlers: Pick<Ticket, 'resolve' | 'reject'> | undefined
  const promise = new Promise<void>((resolve, reject) => {
    settlers = { resolve, reject }
  })
  // Whoever holds the promise sees a rejection; one that nobody awaits any more must not end the process.
  promise.catch(() => {})
  return { promise, ticket: { left, waitsFor, ...(settlers as Pick<Ticket, 'resolve' | 'reject'>) } }
}

function settle(events: readonly WaitingEvent[], reached: Ticket['waitsFor']): void {
  for (const { ticket } of events) {
    if (ticket === undefined || ticket.waitsFor !== reached) continue
    ticket.left -= 1
    if (ticket.left === 0) ticket.resolve()
  }
}

function reject(events: readonly WaitingEvent[], fault: Fault): void {
  for (const { ticket } of events) ticket?.reject(fault)
}
