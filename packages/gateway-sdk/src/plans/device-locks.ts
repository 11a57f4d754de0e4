/** One step at a time for each device, in the order in which they came. */
export class DeviceLocks {
  readonly #tails = new Map<string, Promise<void>>()

  /** Resolves with the way to let the next one in. Throws what `signal` aborts with, and then leaves the queue. */
  async take(deviceId: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const before = this.#tails.get(deviceId)
    let release: () => void = () => undefined
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    const tail = (before ?? Promise.resolve()).then(() => mine)
    this.#tails.set(deviceId, tail)
    void tail.then(() => this.#tails.get(deviceId) === tail && this.#tails.delete(deviceId))
    if (before === undefined) return release
    await unless(signal, before).catch((error: unknown) => {
      release()
      throw error
    })
    return release
  }
}

async function unless(signal: AbortSignal, promise: Promise<void>): Promise<void> {
  let abort: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => {
    abort = resolve
    signal.addEventListener('abort', abort)
  })
  await Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
  signal.throwIfAborted()
}
