import { syncDirectory } from '@writ/durable'

/**
 * Makes names in directories durable. Whoever asks while a directory is being flushed may have made its name too late for that flush, and shares the next
 * one with all others who ask until then: files that are created beside one another cost two flushes, not one each.
 */
export class DirectorySyncs {
  readonly #sync: (dir: string) => Promise<void>
  readonly #running = new Map<string, Promise<void>>()
  readonly #next = new Map<string, Promise<void>>()

  constructor(sync: (dir: string) => Promise<void> = syncDirectory) {
    this.#sync = sync
  }

  /** Resolves when every name that was in the directory before the call is durable. */
  sync(dir: string): Promise<void> {
    const running = this.#running.get(dir)
    if (running === undefined) return this.#start(dir)
    const next = this.#next.get(dir) ?? this.#after(running, dir)
    this.#next.set(dir, next)
    return next
  }

  async #after(running: Promise<void>, dir: string): Promise<void> {
    await running.catch(() => undefined)
    this.#next.delete(dir)
    await this.#start(dir)
  }

  #start(dir: string): Promise<void> {
    const running = this.#sync(dir).finally(() => this.#running.delete(dir))
    this.#running.set(dir, running)
    return running
  }
}
