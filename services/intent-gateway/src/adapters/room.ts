import type { Bus } from '@writ/bus'

/** Above this share of the bucket nothing new is taken in, so that what was taken in can go on to its end. */
const FULL_ABOVE = 0.95
const EVERY_MS = 5000

/** Whether the bucket `intents` takes new intents, as the server said a moment ago. While it does not say, they are taken in: each write tells. */
export class Room implements AsyncDisposable {
  readonly #bus: Pick<Bus, 'streamInfo'>
  readonly #report: (error: unknown) => void
  readonly #timer: NodeJS.Timeout
  #full = false

  constructor(bus: Pick<Bus, 'streamInfo'>, report: (error: unknown) => void) {
    this.#bus = bus
    this.#report = report
    this.#timer = setInterval(() => void this.look(), EVERY_MS).unref()
  }

  get free(): boolean {
    return !this.#full
  }

  async look(): Promise<void> {
    try {
      const { bytes, config } = await this.#bus.streamInfo('KV_intents')
      const max = Number(config['max_bytes'])
      this.#full = max > 0 && bytes > max * FULL_ABOVE
    } catch (error) {
      this.#report(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
  }
}
