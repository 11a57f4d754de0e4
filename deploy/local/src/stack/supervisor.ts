import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Fault } from '@writ/contracts'
import type { ProcessFile } from './left-over.ts'

export interface ProcessSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly logFile: string
  /** Resolves when the process can do its work; tried until it does. Rejects: not yet. */
  readonly ready: (signal: AbortSignal) => Promise<void>
  readonly readyWithinMs: number
}

const STOP_WITHIN_MS = 15_000
const RESTART_DELAY_MS = 250

/**
 * One process that is kept running: when it ends by itself it is started again, as an orchestrator would. `stop` ends it
 * with SIGTERM, and with SIGKILL when it does not leave in time.
 */
export class Supervised implements AsyncDisposable {
  readonly spec: ProcessSpec
  readonly #file: ProcessFile
  readonly #onRestart: (name: string) => void
  #child: ChildProcess | undefined
  /** What is still to be done about a process that has ended. */
  #after: Promise<void> = Promise.resolve()
  #stopping = false

  constructor(spec: ProcessSpec, file: ProcessFile, onRestart: (name: string) => void) {
    this.spec = spec
    this.#file = file
    this.#onRestart = onRestart
  }

  /** Undefined when it does not run now: the id of a process that has ended may be another's. */
  get pid(): number | undefined {
    const child = this.#child
    return child === undefined || child.exitCode !== null || child.signalCode !== null ? undefined : child.pid
  }

  /** Starts the process and, unless told not to, waits until it is ready. Throws Fault `unavailable` when it cannot be started. */
  async start(wait = true): Promise<void> {
    await this.#spawn()
    if (wait) await this.untilReady()
  }

  /** Throws Fault `unavailable` naming the log when the process does not get there. */
  async untilReady(): Promise<void> {
    const { name, logFile, ready, readyWithinMs } = this.spec
    const deadline = performance.now() + readyWithinMs
    for (let last: unknown; ; ) {
      try {
        await ready(AbortSignal.timeout(2000))
        return
      } catch (error) {
        last = error
      }
      if (performance.now() > deadline) {
        throw new Fault('unavailable', { message: `${name} did not become ready; ${logFile} says why.`, cause: last })
      }
      await delay(25)
    }
  }

  async #spawn(): Promise<void> {
    const { name, command, args, env, logFile } = this.spec
    await mkdir(dirname(logFile), { recursive: true, mode: 0o700 })
    const log = await open(logFile, 'a', 0o600)
    try {
      // A group of its own: Ctrl-C reaches the supervisor alone, which then stops everything in order.
      const child = spawn(command, args, { env, stdio: ['ignore', log.fd, log.fd], detached: true })
      this.#child = child
      child.once('exit', () => {
        this.#after = this.#ended(child).catch(() => undefined)
      })
      await once(child, 'spawn')
      await this.#file.add(name, child.pid as number)
    } catch (cause) {
      throw new Fault('unavailable', { message: `${name} could not be started (${command}).`, cause })
    } finally {
      await log.close()
    }
  }

  async #ended(child: ChildProcess): Promise<void> {
    if (child.pid !== undefined) await this.#file.remove(child.pid)
    if (this.#stopping) return
    this.#onRestart(this.spec.name)
    await delay(RESTART_DELAY_MS)
    // A program that cannot be started any more shows as not ready; the log has why.
    if (!this.#stopping) await this.#spawn().catch(() => undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    // It may be about to start again.
    await this.#after
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
    await exited
    clearTimeout(timer)
    await this.#after
  }
}
