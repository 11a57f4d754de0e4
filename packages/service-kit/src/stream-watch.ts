import type { Bus, StreamInfo } from '@writ/bus'
import type { ServiceRole, StreamName } from '@writ/contracts'
import { Gauge, type Registry } from 'prom-client'

/** The streams that a service reads from or fills: between them they look at every one that can fill up. */
const WATCHED: Readonly<Record<ServiceRole, readonly StreamName[]>> = {
  'intent-gateway': ['INTENTS', 'OUTCOMES', 'PLANS', 'SIGNERS', 'REGISTRY', 'KV_intents', 'KV_subject-keys'],
  'policy-evaluator': ['POLICIES'],
  'token-issuer': ['CONTROL', 'KV_uses'],
  'attestation-verifier': ['ATTESTATIONS'],
  'audit-sink': ['AUDIT', 'AUDIT_EDGE'],
}
const EVERY_MS = 5000
/** The server writes nanoseconds, clocks here are read in whole milliseconds. */
const RESOLUTION_MS = 1

/**
 * What the server says of the streams that matter to a service, every 5 s: what waits in them, how full they are, and what time it is
 * there. While it does not say, there is no value: an old one would look like a good one.
 */
export class StreamWatch implements AsyncDisposable {
  readonly #bus: Pick<Bus, 'streamInfo'>
  readonly #streams: readonly StreamName[]
  readonly #messages: Gauge<'stream'>
  readonly #bytes: Gauge<'stream'>
  readonly #limit: Gauge<'stream'>
  readonly #offset: Gauge<'clock'>
  readonly #error: Gauge<'clock'>
  readonly #timer: NodeJS.Timeout
  readonly #now: () => number
  #looking: Promise<void> | undefined

  constructor(bus: Pick<Bus, 'streamInfo'>, role: ServiceRole, registry: Registry, now: () => number = Date.now) {
    this.#bus = bus
    this.#streams = WATCHED[role]
    this.#now = now
    const gauge = <L extends string>(name: string, help: string, label: L): Gauge<L> =>
      new Gauge({ name, help, labelNames: [label], registers: [registry] })
    this.#messages = gauge('writ_stream_messages', 'Messages in a stream; of a work queue, its backlog.', 'stream')
    this.#bytes = gauge('writ_stream_size_bytes', 'Bytes in a stream.', 'stream')
    this.#limit = gauge('writ_stream_limit_bytes', 'How large a stream may grow.', 'stream')
    this.#offset = gauge('writ_clock_offset_seconds', 'The clock here less the clock of the message bus.', 'clock')
    this.#error = gauge('writ_clock_offset_error_seconds', 'By how much the offset may be wrong, either way.', 'clock')
    this.#timer = setInterval(() => void this.look(), EVERY_MS).unref()
  }

  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
  }

  async #look(): Promise<void> {
    const seen = await Promise.all(this.#streams.map((stream) => this.#ask(stream)))
    for (const gauge of [this.#messages, this.#bytes, this.#limit, this.#offset, this.#error]) gauge.reset()
    const answers = seen.filter((answer) => answer !== undefined)
    for (const { stream, info } of answers) {
      this.#messages.set({ stream }, info.messages)
      this.#bytes.set({ stream }, info.bytes)
      this.#limit.set({ stream }, Number(info.config['max_bytes']))
    }
    const [best] = answers.flatMap(({ clock }) => clock ?? []).sort((a, b) => a.errorMs - b.errorMs)
    if (best === undefined) return
    this.#offset.set({ clock: 'bus' }, best.offsetMs / 1000)
    this.#error.set({ clock: 'bus' }, best.errorMs / 1000)
  }

  async #ask(stream: StreamName) {
    const sentMs = this.#now()
    try {
      const info = await this.#bus.streamInfo(stream)
      return { stream, info, clock: offsetOf(info, sentMs, this.#now()) }
    } catch {
      return undefined
    }
  }
}

/** The server read its clock somewhere between the question and the answer: the middle is off by half of that time at most. */
function offsetOf({ serverTimeMs }: StreamInfo, sentMs: number, heardMs: number) {
  if (serverTimeMs === undefined) return undefined
  return { offsetMs: (sentMs + heardMs) / 2 - serverTimeMs, errorMs: Math.abs(heardMs - sentMs) / 2 + RESOLUTION_MS }
}
