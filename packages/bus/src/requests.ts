import type { Msg } from '@nats-io/transport-node'
import { Fault } from '@writ/contracts'
import { type Link, unavailable } from './link.ts'
import { randomToken } from './random-token.ts'
import { type Trace, traceFields } from './trace.ts'
import { headersOf, type WireHeaders } from './wire-headers.ts'

export interface RequestOptions {
  /** How long to wait for the answer, and between two parts of one. */
  readonly timeoutMs?: number
  readonly trace?: Trace | undefined
  readonly headers?: Readonly<Record<string, string>>
}

export interface Reply {
  readonly message: Msg
  readonly headers: WireHeaders
}

/**
 * Nobody listens to the subject of a request: nobody has it, and nobody will. The server's word; an answerer of our own
 * account can say the same of itself, which no signature covers.
 */
export class Unheard extends Fault {
  constructor() {
    super('unavailable', { message: 'Nobody answers this request now.' })
  }
}

interface Pending {
  readonly subject: string
  take(message: Msg): void
  fail(error: Fault): void
}

const TIMEOUT_MS = 5000

/**
 * Requests of one connection, answered through one wildcard subscription. Reply subjects hold 128 random bits: whoever
 * cannot read them cannot answer, not even by making the server answer there. A request ends by its answer, a time-out, a
 * lost connection or the server's refusal, never silently; all but the answer are Fault `unavailable`.
 */
export class Requests {
  readonly #link: Link
  readonly #wildcard: string
  readonly #inFlightMax: number
  readonly #pending = new Map<string, Pending>()
  #refused: Error | undefined
  #subscribed = false

  constructor(link: Link, wildcard: string, inFlightMax: number) {
    this.#link = link
    this.#wildcard = wildcard
    this.#inFlightMax = inFlightMax
    link.listen({
      disconnected: () => this.#failAll(unavailable('The connection was lost before the answer came.')),
      refused: (subject) => this.#failAll(unavailable('The bus does not allow this request.'), subject),
    })
  }

  /** `replyTo`: the reply subject with this token; it must lie under the wildcard. */
  async one(
    subject: string,
    body: Uint8Array | string,
    options: RequestOptions,
    replyTo?: (token: string) => string,
  ): Promise<Reply> {
    let answer: Reply | undefined
    const take = (reply: Reply): true => {
      answer = reply
      return true
    }
    await this.many(subject, body, options, take, replyTo)
    if (answer === undefined || answer.headers.status === 503) throw new Unheard()
    return answer
  }

  /** Hands over each part of the answer until `take` says that it was the last. What `take` throws ends the request. */
  many(
    subject: string,
    body: Uint8Array | string,
    options: RequestOptions,
    take: (reply: Reply) => boolean,
    replyTo: (token: string) => string = (token) => this.#wildcard.replace('*', token),
  ): Promise<void> {
    const { timeoutMs = TIMEOUT_MS, trace, headers } = options
    return new Promise((resolve, reject) => {
      const reply = replyTo(randomToken())
      const end = (error?: unknown): void => {
        clearTimeout(timer)
        this.#pending.delete(reply)
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = setTimeout(() => end(unavailable('No answer came in time.')), timeoutMs)
      const taken = (message: Msg): void => {
        timer.refresh()
        try {
          if (take({ message, headers: headersOf(message) })) end()
        } catch (error) {
          end(error)
        }
      }
      try {
        this.#admit()
        this.#pending.set(reply, { subject, take: taken, fail: end })
        this.#link.publish(subject, body, { reply, headers: { ...headers, ...traceFields(trace) } })
      } catch (error) {
        end(error)
      }
    })
  }

  #admit(): void {
    if (this.#refused !== undefined) throw unavailable('The bus does not allow answers here.', this.#refused)
    if (this.#pending.size >= this.#inFlightMax) throw unavailable('Too many requests wait for their answers.')
    if (this.#subscribed) return
    this.#subscribed = true
    const refused = (error: Error): void => {
      this.#refused = error
      this.#failAll(unavailable('The bus does not allow answers here.', error))
    }
    // The whole subject is the key: an answerer reaches the requests that were put to it, by its own permission.
    this.#link.subscribe(this.#wildcard, (message) => this.#pending.get(message.subject)?.take(message), { refused })
  }

  #failAll(error: Fault, subject?: string): void {
    for (const pending of [...this.#pending.values()])
      if (subject === undefined || pending.subject === subject) pending.fail(error)
  }
}
