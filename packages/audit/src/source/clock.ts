/** Time as a source needs it: what the wall says, and timers. */
export interface Clock {
  /** Unix milliseconds. */
  nowMs(): number
  /** Runs `task` once, `delayMs` from now; the result cancels it. A waiting timer does not keep the process alive. */
  after(delayMs: number, task: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
