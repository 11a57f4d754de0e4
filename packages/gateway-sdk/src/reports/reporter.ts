import { Fault, type JsonObject, reportMessage } from '@writ/contracts'
import { jsonSha256, type Signer, signMessage } from '@writ/keys'
import { type Clock, nowSeconds } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Observation, Observer } from '../observation.ts'

export interface ReporterOptions {
  readonly gatewayId: string
  readonly audience: string
  readonly signer: Signer
  readonly observer: Observer
  readonly clock: Clock
  /** Returns when the stream REPORTS has it. */
  readonly store: (deviceId: string, jws: string) => Promise<void>
  readonly log: Log
}

const REPORT_EVERY_MS = 60_000
const POLL_MS = 2000

interface Reported {
  readonly digest: string
  readonly atMs: number
}

/**
 * Tells what the gateway sees of its devices, on change and every 60 s. What cannot be observed or sent is tried again at the next
 * look; meanwhile the last report grows old, and an old one means unknown.
 */
export class Reporter {
  readonly #options: ReporterOptions
  readonly #reported = new Map<string, Reported>()
  readonly #looking = new Map<string, Promise<void>>()
  readonly #failing = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  /** Looks at every device now, and again and again until it is stopped. */
  start(): void {
    const { devices, pollMs = POLL_MS } = this.#options.observer
    const all = () => {
      for (const deviceId of devices) if (!this.#looking.has(deviceId)) void this.look(deviceId)
    }
    all()
    this.#timer = setInterval(all, pollMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#looking.values())
  }

  /** Looks at a device once more, from now on, and reports it if it has changed or was not reported lately. Never throws. */
  look(deviceId: string): Promise<void> {
    const before = this.#looking.get(deviceId) ?? Promise.resolve()
    const mine = before
      .then(() => this.#look(deviceId))
      .finally(() => this.#looking.get(deviceId) === mine && this.#looking.delete(deviceId))
    this.#looking.set(deviceId, mine)
    return mine
  }

  async #look(deviceId: string): Promise<void> {
    const { observer, clock, log } = this.#options
    try {
      const observation = await observer.observe(deviceId)
      const digest = digestOf(observation)
      const last = this.#reported.get(deviceId)
      const atMs = clock.monotonicMs()
      if (last?.digest === digest && atMs - last.atMs < REPORT_EVERY_MS) return
      await this.#report(deviceId, observation)
      this.#reported.set(deviceId, { digest, atMs })
      this.#failing.delete(deviceId)
    } catch (error) {
      if (!this.#failing.has(deviceId)) log.warn({ err: error, deviceId }, 'A device cannot be reported.')
      this.#failing.add(deviceId)
    }
  }

  async #report(deviceId: string, { state, address }: Observation): Promise<void> {
    const { gatewayId, audience, signer, clock, store } = this.#options
    const now = nowSeconds(clock)
    const claims = { iss: gatewayId, aud: audience, iat: now, device_id: deviceId, state, observed_at: now, address }
    const jws = await signMessage(signer, reportMessage, claims)
    if (jws.length > reportMessage.bytesMax)
      throw new Fault('too_large', { message: `A report is over ${reportMessage.bytesMax} bytes.` })
    await store(deviceId, jws)
  }
}

function digestOf({ state, address }: Observation): string {
  return jsonSha256({ state: structuredClone(state) as JsonObject, address })
}
