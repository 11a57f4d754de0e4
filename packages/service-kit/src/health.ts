/** A named reason to be ready or not: undefined when all is well, else a sentence for an operator. */
export type Check = () => string | undefined

export interface Readiness {
  readonly ready: boolean
  /** `ok`, or why not. */
  readonly checks: Readonly<Record<string, string>>
}

/** Whether the process should be sent work. Not ready until `open`, and again while it stops. */
export class Health {
  readonly #checks = new Map<string, Check>()
  #phase = 'starting'

  /** Adds a check, or replaces the one of that name. */
  check(name: string, check: Check): void {
    this.#checks.set(name, check)
  }

  /** What the start waits for now. */
  starting(what: string): void {
    this.#phase = what
  }

  /** From now on the checks decide, until the result is disposed of: first of all at a stop. */
  open(): AsyncDisposable {
    this.#phase = ''
    return {
      [Symbol.asyncDispose]: async () => {
        this.#phase = 'stopping'
      },
    }
  }

  read(): Readiness {
    const checks = Object.fromEntries([...this.#checks].map(([name, check]) => [name, run(check)]))
    const all = this.#phase === '' ? checks : { phase: this.#phase, ...checks }
    return { ready: Object.values(all).every((state) => state === 'ok'), checks: all }
  }
}

function run(check: Check): string {
  try {
    return check() ?? 'ok'
  } catch (error) {
    return error instanceof Error ? error.message : 'failed'
  }
}
