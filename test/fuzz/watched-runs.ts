import { Worker } from 'node:worker_threads'
import type { Found, Report } from './engine.ts'

export interface Task {
  readonly name: string
  readonly runs: number
  readonly seed: number
}

/** Two numbers (inputs begun, length of the last) and the last input's bytes. */
const BEACON_BYTES = 8 + 2 * 1024 * 1024
const HEAP_MIB_MAX = 512
const LOOK_EVERY_MS = 500

/**
 * Runs formats one after another in a thread of their own: a reader that never comes back, or eats all memory, is a finding with its
 * input, and the next format gets a new thread.
 */
export class WatchedRuns {
  readonly #hangMs: number
  readonly #beacon = new SharedArrayBuffer(BEACON_BYTES)
  readonly #state = new Int32Array(this.#beacon, 0, 2)
  #worker: Worker | undefined

  /** A reader that has not come back from one input after `hangMs` never will. */
  constructor(hangMs: number) {
    this.#hangMs = hangMs
  }

  async run(task: Task): Promise<Report> {
    this.#worker ??= this.#start()
    const worker = this.#worker
    Atomics.store(this.#state, 0, 0)
    const begun = performance.now()
    const said = await this.#heard(worker, task)
    if (!('promised' in said)) return said
    await this.close()
    const seconds = (performance.now() - begun) / 1000
    const runs = Atomics.load(this.#state, 0)
    return { format: task.name, runs, accepted: 0, refused: [], seconds, worstMs: 0, grownMiB: 0, finding: said }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  #start(): Worker {
    return new Worker(new URL('./worker.js', import.meta.url), {
      workerData: this.#beacon,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    })
  }

  #heard(worker: Worker, task: Task): Promise<Report | Found> {
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => this.#look(progress, resolve), LOOK_EVERY_MS)
      const progress = { seen: 0, since: performance.now() }
      const ended = (): void => clearInterval(timer)
      const reported = (report: Report): void => {
        clearInterval(timer)
        worker.off('error', failed)
        worker.off('exit', ended)
        resolve(report)
      }
      const failed = (error: NodeJS.ErrnoException): void => {
        clearInterval(timer)
        if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') reject(error)
        else resolve(this.#found('in-memory', `More than ${HEAP_MIB_MAX} MiB for one input.`))
      }
      worker.once('message', reported)
      worker.once('error', failed)
      worker.once('exit', ended)
      worker.postMessage(task)
    })
  }

  #look(progress: { seen: number; since: number }, resolve: (found: Found) => void): void {
    const now = Atomics.load(this.#state, 0)
    if (now !== progress.seen) Object.assign(progress, { seen: now, since: performance.now() })
    else if (now > 0 && performance.now() - progress.since > this.#hangMs)
      resolve(this.#found('in-time', `Not back after ${this.#hangMs / 1000} s.`))
  }

  #found(promised: Found['promised'], what: string): Found {
    const input = Uint8Array.from(new Uint8Array(this.#beacon, 8, Atomics.load(this.#state, 1)))
    return { promised, what, input }
  }
}
