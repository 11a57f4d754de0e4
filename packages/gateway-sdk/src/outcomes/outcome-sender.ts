import type { Trace } from '@writ/bus'
import { type Deferred, deferred } from '../core/deferred.ts'
import type { KeptOutcome } from '../core/journal-state.ts'
import type { Log } from '../log.ts'

export interface OutcomeSenderOptions {
  /** Returns when the stream OUTCOMES has the message. Anything thrown means: not known to be stored. */
  readonly store: (jws: string, trace: Trace | undefined) => Promise<void>
  /** Remembers that the stream has it. If that fails it is only sent again after a restart. */
  readonly stored: (outcome: KeptOutcome) => Promise<void>
  readonly log: Log
}

interface Waiting {
  readonly outcome: KeptOutcome
  readonly trace: Trace | undefined
  readonly done: Deferred<void>
}

const RETRY_MS = [100, 250, 500, 1000, 2000] as const

/** Sends outcomes in the order in which they were made, one at a time and the same bytes until the stream has them. */
export class OutcomeSender {
  readonly #options: OutcomeSenderOptions
  readonly #queue: Waiting[] = []
  #sending = false
  #stopped = false
  #failures = 0
  #wake: () => void = () => undefined

  constructor(options: OutcomeSenderOptions) {
    this.#options = options
  }

  /** Outcomes that the stream is not known to have. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Resolves when the stream has it; never rejects, and waits for as long as it takes. */
  send(outcome: KeptOutcome, trace?: Trace): Promise<void> {
    const known = this.#queue.find(({ outcome: { digest } }) => digest === outcome.digest)
    if (known !== undefined) return known.done.promise
    const done = deferred<void>()
    this.#queue.push({ outcome, trace, done })
    void this.#pump()
    return done.promise
  }

  /** Tries again at once: the connection is back. */
  nudge(): void {
    this.#wake()
  }

  /** Sends no more. What waits is in the journal, and is sent by the next run. */
  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  async #pump(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    for (let next = this.#queue[0]; next !== undefined && !this.#stopped; next = this.#queue[0]) {
      if (await this.#try(next)) this.#queue.shift()
      else await this.#pause()
    }
    this.#sending = false
  }

  async #try({ outcome, trace, done }: Waiting): Promise<boolean> {
    const { store, stored, log } = this.#options
    try {
      await store(outcome.jws, trace)
    } catch (error) {
      if (this.#failures === 0) log.warn({ err: error, waiting: this.waiting }, 'Outcomes cannot be sent now.')
      this.#failures += 1
      return false
    }
    this.#failures = 0
    await stored(outcome).catch((error: unknown) => log.warn({ err: error }, 'An outcome will be sent again.'))
    done.resolve()
    return true
  }

  #pause(): Promise<void> {
    const delayMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length) - 1] ?? 0
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
