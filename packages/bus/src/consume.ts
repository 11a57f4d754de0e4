import { randomBytes } from 'node:crypto'
import type { Msg } from '@nats-io/transport-node'
import { pullSubject, type StreamName } from '@writ/contracts'
import { type Delivery, deliveryOf } from './delivery.ts'
import type { Link, LinkSubscription } from './link.ts'
import { heardOf } from './received.ts'
import type { Requests } from './requests.ts'
import { headersOf, type WireHeaders } from './wire-headers.ts'

export interface ConsumeOptions {
  readonly stream: StreamName
  /** The durable's name: it exists, nobody at run time makes one. */
  readonly consumer: string
  /** How many deliveries are in hand at a time; none is fetched before there is room for it. */
  readonly inFlightMax: number
  /**
   * Messages that one pull may bring, 1 unless told otherwise. More only where no message is without a byte: because none but services of ours publish
   * to the stream, or because the consumer hands out headers alone, which are never empty.
   */
  readonly batch?: number
  /** How long one pull waits, 1,000–30,000 ms: above two minutes the way back over the account border is forgotten. */
  readonly expiresMs?: number
}

export interface Consuming {
  /** Stops pulling and returns when the handlers in hand have ended. */
  stop(): Promise<void>
}

const EXPIRES_MS = 30_000
const HEARTBEAT_MS_MAX = 5000
const RETRY_MS = [250, 500, 1000, 2000, 5000] as const
/** A delivery whose handler failed comes again after this. */
const FAILED_DELAY_MS = 1000
/** Pulls under way at a time: enough that the next message need not wait for the answer to the last pull. */
const PULLS_MAX = 16
const IDLE_HEARTBEAT = 100
const PULL_EXPIRED = 408

/**
 * Pulls from a durable consumer, across lost connections and restarts of the server, until it is stopped. Every message is
 * delivered at least once. A handler that fails is reported and the message comes again; one that neither acknowledges nor
 * holds its message (`working`) gets it again after `ack_wait`.
 */
export function consume(
  link: Link,
  requests: Requests,
  inbox: string,
  options: ConsumeOptions,
  handler: (delivery: Delivery) => Promise<void>,
): Consuming {
  const consumer = new PullConsumer(link, requests, inbox, options, handler)
  consumer.start()
  return { stop: () => consumer.stop() }
}

/**
 * Pulls of one message each, unless the options say more. At an account border the server takes a message without a byte for the last one of an
 * answer and forgets the way back: anybody who may publish could have others' messages of the same pull vanish until `ack_wait` is over.
 */
class PullConsumer {
  readonly #link: Link
  readonly #requests: Requests
  readonly #inbox: string
  readonly #options: ConsumeOptions & { readonly expiresMs: number; readonly batch: number }
  readonly #handler: (delivery: Delivery) => Promise<void>
  readonly #inHand = new Set<Promise<void>>()
  /** The server drops a pull when nobody listens to its reply subject: each connection has its own. */
  #session: { readonly prefix: string; readonly subscription: LinkSubscription } | undefined
  /** Pulls that may still bring something, and how much; the server answers them in their order. */
  #asked: { readonly pull: number; left: number }[] = []
  #pulls = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #stopListening: () => void = () => undefined

  constructor(
    link: Link,
    requests: Requests,
    inbox: string,
    { expiresMs = EXPIRES_MS, batch = 1, ...options }: ConsumeOptions,
    handler: (delivery: Delivery) => Promise<void>,
  ) {
    this.#link = link
    this.#requests = requests
    this.#inbox = inbox
    this.#options = { ...options, batch, expiresMs: Math.min(Math.max(expiresMs, 1000), EXPIRES_MS) }
    this.#handler = handler
  }

  start(): void {
    this.#stopListening = this.#link.listen({ disconnected: () => this.#close(), reconnected: () => this.#open() })
    if (this.#link.connected) this.#open()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#stopListening()
    clearTimeout(this.#timer)
    await this.#session?.subscription.drain()
    this.#session = undefined
    await Promise.all(this.#inHand)
  }

  #close(): void {
    clearTimeout(this.#timer)
    this.#session?.subscription.unsubscribe()
    this.#session = undefined
    this.#asked = []
  }

  #open(): void {
    this.#close()
    if (this.#stopped || !this.#link.connected) return
    const prefix = `${this.#inbox}.${randomBytes(16).toString('base64url')}`
    const refused = (error: Error): void => this.#link.report({ type: 'error', error, subject: prefix })
    const subscription = this.#link.subscribe(`${prefix}.*`, (message) => this.#take(message), { refused })
    this.#session = { prefix, subscription }
    this.#pull()
  }

  #pull(): void {
    const { stream, consumer, expiresMs, batch, inFlightMax } = this.#options
    const wanted = Math.min(PULLS_MAX * batch, inFlightMax - this.#inHand.size)
    const heartbeatMs = Math.min(HEARTBEAT_MS_MAX, expiresMs / 2)
    for (let room = wanted - this.#outstanding; ; room -= batch) {
      // A pull waits until it can ask for a whole batch, unless nothing is under way.
      if (this.#stopped || this.#session === undefined || room < (this.#asked.length === 0 ? 1 : batch)) return
      const left = Math.min(batch, room)
      const body = JSON.stringify({ batch: left, expires: expiresMs * 1e6, idle_heartbeat: heartbeatMs * 1e6 })
      this.#pulls += 1
      try {
        this.#link.publish(pullSubject(stream, consumer), body, { reply: `${this.#session.prefix}.${this.#pulls}` })
      } catch (error) {
        this.#retry(error)
        return
      }
      this.#asked.push({ pull: this.#pulls, left })
      // Two heartbeats missed: the pulls are lost, and with them their reply subjects.
      this.#after(2 * heartbeatMs + 1000, () => this.#open())
    }
  }

  get #outstanding(): number {
    return this.#asked.reduce((sum, { left }) => sum + left, 0)
  }

  /** A stored message, under its own subject, or the server's word about a pull. */
  #take(message: Msg): void {
    const heard = heardOf(message)
    const delivery = deliveryOf(this.#link, this.#requests, heard, this.#options)
    if (delivery !== undefined) this.#deliver(delivery)
    else if (this.#session !== undefined && message.subject.startsWith(`${this.#session.prefix}.`))
      this.#told(Number(message.subject.slice(this.#session.prefix.length + 1)), headersOf(message))
  }

  #told(pull: number, { status, description }: WireHeaders): void {
    this.#failures = status === IDLE_HEARTBEAT || status === PULL_EXPIRED ? 0 : this.#failures
    if (status === IDLE_HEARTBEAT) {
      this.#timer?.refresh()
      return
    }
    const { stream, consumer } = this.#options
    if (status === PULL_EXPIRED) this.#brought(this.#asked.filter((asked) => asked.pull > pull))
    else this.#retry(new Error(`${stream}/${consumer}: ${status ?? 'no status'} ${description}`))
  }

  #deliver(delivery: Delivery): void {
    if (this.#stopped) {
      delivery.nak(0)
      return
    }
    this.#failures = 0
    const done: Promise<void> = this.#handle(delivery).finally(() => {
      this.#inHand.delete(done)
      this.#pull()
    })
    this.#inHand.add(done)
    const [first] = this.#asked
    if (first !== undefined) first.left -= 1
    this.#brought(first?.left === 0 ? this.#asked.slice(1) : this.#asked)
  }

  /** What is under way after a message or a pull's end. */
  #brought(asked: { readonly pull: number; left: number }[]): void {
    this.#asked = asked
    if (asked.length === 0) clearTimeout(this.#timer)
    else this.#timer?.refresh()
    this.#pull()
  }

  async #handle(delivery: Delivery): Promise<void> {
    try {
      await this.#handler(delivery)
    } catch (error) {
      this.#link.report({ type: 'error', error, subject: delivery.subject })
      delivery.nak(FAILED_DELAY_MS)
    }
  }

  /** No consumer now: JetStream starts, a leader is chosen, or it is not there at all. */
  #retry(error: unknown): void {
    this.#link.report({ type: 'error', error })
    const delayMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? 0
    this.#failures += 1
    this.#close()
    this.#after(delayMs, () => this.#open())
  }

  #after(delayMs: number, then: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(then, delayMs)
  }
}
