/** What the worklist works on, and how it is told that something went wrong. */
export interface WorklistOptions {
  /** Takes one intent as far as it goes, and returns when (NumericDate) there is something to do again. */
  readonly advance: (key: string) => Promise<number>
  readonly onFailure: (key: string, error: unknown) => void
  readonly nowMs: () => number
  /** Intents in hand at a time. Absent: 256. */
  readonly inHandMax?: number
}

interface Job {
  dueMs: number
  running: boolean
  again: boolean
  failures: number
}

const RETRY_MS = [200, 500, 1000, 2000, 5000, 10_000] as const
/** Another replica that works on an intent is given this long before it is taken over. */
const STALLED_MS = 15_000

/** Which intents have something to do, and when. Each is worked on once at a time; who finds it in work has it looked at again. */
export class Worklist implements AsyncDisposable {
  readonly #options: WorklistOptions
  readonly #jobs = new Map<string, Job>()
  /** Due, and waiting for a free hand. */
  readonly #ready = new Set<string>()
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: WorklistOptions) {
    this.#options = options
  }

  /** From now on what is due is done by itself. */
  start(intervalMs = 250): void {
    this.#timer = setInterval(() => this.#sweep(), intervalMs)
  }

  get size(): number {
    return this.#jobs.size
  }

  /** There is something to do with it now. `urgent`: it does not wait for a free hand, since those in hand may wait for the log. */
  kick(key: string, urgent = false): void {
    const job = this.#job(key)
    job.dueMs = 0
    if (job.running) job.again = true
    else if (urgent && !this.#stopped) this.#run(key, job)
    else this.#ready.add(key)
    this.#fill()
  }

  /** Somebody, perhaps another replica, has changed it: it is looked at when it is due, or when that replica seems to be gone. */
  note(key: string, untilSeconds: number | undefined): void {
    const known = this.#jobs.get(key)
    // One that failed here has its own next try.
    if (known?.running === true || (known?.failures ?? 0) > 0 || this.#ready.has(key)) return
    this.#job(key).dueMs = untilSeconds === undefined ? this.#options.nowMs() + STALLED_MS : untilSeconds * 1000
  }

  forget(key: string): void {
    if (this.#jobs.get(key)?.running !== true) this.#jobs.delete(key)
    this.#ready.delete(key)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await Promise.all(this.#running)
  }

  #job(key: string): Job {
    const job = this.#jobs.get(key) ?? { dueMs: 0, running: false, again: false, failures: 0 }
    this.#jobs.set(key, job)
    return job
  }

  #sweep(): void {
    const nowMs = this.#options.nowMs()
    for (const [key, job] of this.#jobs) if (!job.running && job.dueMs <= nowMs) this.#ready.add(key)
    this.#fill()
  }

  #fill(): void {
    for (const key of this.#ready) {
      if (this.#stopped || this.#running.size >= (this.#options.inHandMax ?? 256)) return
      this.#run(key, this.#job(key))
    }
  }

  #run(key: string, job: Job): void {
    this.#ready.delete(key)
    job.running = true
    job.again = false
    const done: Promise<void> = this.#work(key, job).finally(() => {
      this.#running.delete(done)
      job.running = false
      if (job.again) this.#ready.add(key)
      else if (job.dueMs === Number.POSITIVE_INFINITY) this.#jobs.delete(key)
      this.#fill()
    })
    this.#running.add(done)
  }

  async #work(key: string, job: Job): Promise<void> {
    try {
      const until = await this.#options.advance(key)
      job.failures = 0
      job.dueMs = until * 1000
    } catch (error) {
      this.#options.onFailure(key, error)
      job.dueMs = this.#options.nowMs() + (RETRY_MS[Math.min(job.failures, RETRY_MS.length - 1)] ?? 0)
      job.failures += 1
    }
  }
}
