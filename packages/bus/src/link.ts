import {
  InvalidArgumentError,
  type Msg,
  type NatsConnection,
  PermissionViolationError,
  type Status,
  type Subscription,
} from '@nats-io/transport-node'
import { Fault } from '@writ/contracts'
import { guarded, type OnStatus } from './status.ts'
import { toHeaders } from './wire-headers.ts'

export interface Publication {
  readonly reply?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What changes in a connection's life, for the parts that keep state of their own. */
export interface LinkListener {
  disconnected?(): void
  reconnected?(): void
  refused?(subject: string): void
}

export interface LinkSubscription {
  /** Stops the server's deliveries, then hands over what was already on its way. */
  drain(): Promise<void>
  unsubscribe(): void
}

/** One connection to the bus: the only place that touches the client library's connection. */
export class Link {
  readonly report: OnStatus
  readonly #nc: NatsConnection
  readonly #listeners = new Set<LinkListener>()
  #connected = true

  constructor(nc: NatsConnection, onStatus: OnStatus) {
    this.#nc = nc
    this.report = guarded(onStatus, () => undefined)
    void this.#watch()
  }

  get connected(): boolean {
    return this.#connected && !this.#nc.isClosed()
  }

  listen(listener: LinkListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @throws Fault `unavailable` while there is no connection: nothing is kept for later. `too_large` above the server's maximum. */
  publish(subject: string, body: Uint8Array | string, { reply, headers = {} }: Publication = {}): void {
    if (!this.connected) throw unavailable('There is no connection to the message bus.')
    try {
      const named = Object.keys(headers).length === 0 ? {} : { headers: toHeaders(headers) }
      this.#nc.publish(subject, body, { ...named, ...(reply !== undefined && { reply }) })
    } catch (cause) {
      if (!(cause instanceof InvalidArgumentError)) throw unavailable('The message could not be sent.', cause)
      throw new Fault('too_large', { message: 'The message is larger than the bus takes.', cause })
    }
  }

  /** Stands across reconnects. `callback` may throw: that is reported. `refused`: the server does not allow it. */
  subscribe(
    subject: string,
    callback: (message: Msg) => void,
    options: { queue?: string | undefined; refused?: (error: Error) => void } = {},
  ): LinkSubscription {
    if (this.#nc.isClosed()) throw unavailable('The connection to the message bus is closed.')
    const take = guarded(callback, (error) => this.report({ type: 'error', error, subject }))
    const subscription = this.#nc.subscribe(subject, {
      ...(options.queue !== undefined && { queue: options.queue }),
      callback: (error, message) => (error === null ? take(message) : options.refused?.(error)),
    })
    return {
      drain: () => this.#drain(subscription),
      unsubscribe: () => !this.#nc.isClosed() && subscription.unsubscribe(),
    }
  }

  /** Returns when the server has seen everything sent before, or when the connection is lost. */
  async flush(): Promise<void> {
    if (!this.connected) return
    let stop: () => void = () => undefined
    const lost = new Promise<void>((resolve) => {
      stop = this.listen({ disconnected: resolve })
    })
    await Promise.race([this.#nc.flush().catch(() => undefined), lost]).finally(stop)
  }

  async close(drainTimeoutMs = 5000): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainTimeoutMs)
    })
    if (this.connected) await Promise.race([this.#nc.drain().catch(() => undefined), limit])
    clearTimeout(timer)
    await this.#nc.close()
  }

  async #drain(subscription: Subscription): Promise<void> {
    if (subscription.isClosed() || this.#nc.isClosed()) return
    const drained = subscription.drain().catch(() => undefined)
    await this.flush()
    if (this.connected) await drained
    else subscription.unsubscribe()
  }

  async #watch(): Promise<void> {
    for await (const status of this.#nc.status()) this.#heard(status)
    if (this.#connected) this.#turn(false)
    this.report({ type: 'closed' })
  }

  #heard(status: Status): void {
    if (status.type === 'error') this.#error(status.error)
    // A failed attempt to come back is another `disconnect`.
    if (status.type === 'disconnect' && this.#connected) this.#turn(false)
    if (status.type === 'reconnect') this.#turn(true)
  }

  #error(error: Error): void {
    if (!(error instanceof PermissionViolationError)) {
      this.report({ type: 'error', error })
      return
    }
    const { operation, subject } = error
    this.report({ type: 'refused', operation, subject })
    if (operation === 'publish')
      for (const listener of [...this.#listeners]) this.#call(() => listener.refused?.(subject))
  }

  #turn(connected: boolean): void {
    this.#connected = connected
    const type = connected ? 'reconnected' : 'disconnected'
    this.report({ type })
    for (const listener of [...this.#listeners]) this.#call(() => listener[type]?.())
  }

  #call(listener: () => void): void {
    guarded<void>(listener, (error) => this.report({ type: 'error', error }))()
  }
}

/** Could not decide, or could not be done: try again. */
export function unavailable(message: string, cause?: unknown): Fault {
  return new Fault('unavailable', { message, cause })
}
