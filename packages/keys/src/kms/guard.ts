import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '@writ/contracts'
import { CircuitBreaker, type CircuitState } from './circuit-breaker.ts'
import { failureOf, type KmsFailure } from './kms-failure.ts'
import type { KmsKey } from './kms-key.ts'
import { RetryBudget } from './retry-budget.ts'

export type KmsOperation = 'describe' | 'public_key' | 'sign' | 'encrypt' | 'decrypt'

/**
 * `retried`: an attempt failed and another follows. `failed`: KMS did not answer, or not in time. `refused`: it said no. `wrong`: what it returned does not
 * verify. `not_tried`: it failed so often just now that nobody asked.
 */
export type KmsResult = 'ok' | 'retried' | 'failed' | 'refused' | 'wrong' | 'not_tried'

/** Told of every attempt and of every change of the circuit breaker. Neither may throw. */
export interface KmsObserver {
  called(operation: KmsOperation, result: KmsResult, seconds: number): void
  circuit(state: CircuitState): void
}

export interface KmsLimits {
  /** One attempt waits at most this long. */
  readonly attemptTimeoutMs: number
  /** No attempt begins later than this after the call. */
  readonly totalTimeoutMs: number
  readonly attemptsMax: number
  /** Before the second attempt at most this long, twice as long before each further one; a random part of it. */
  readonly backoffMs: number
  /** Retries of all calls together; each success earns a tenth of one. */
  readonly retriesMax: number
  /** Failures in a row after which nobody asks, for `openMs` at first. */
  readonly failuresMax: number
  readonly openMs: number
  readonly openMsMax: number
}

export const KMS_LIMITS: KmsLimits = {
  attemptTimeoutMs: 3000,
  totalTimeoutMs: 10_000,
  attemptsMax: 3,
  backoffMs: 200,
  retriesMax: 10,
  failuresMax: 5,
  openMs: 2000,
  openMsMax: 30_000,
}

export interface KmsOptions {
  /** Asked about every key that is opened, before it is used. What it throws refuses the key. */
  readonly accept?: (key: KmsKey) => void
  readonly observer?: KmsObserver
  readonly limits?: Partial<KmsLimits>
  /** Milliseconds of a clock that never goes back. Absent: the process's own. */
  readonly nowMs?: () => number
  /** Absent: `Math.random`. */
  readonly random?: () => number
}

const RETRY_EARNED = 0.1

/** Makes calls to KMS about one key: each attempt with a timeout, few retries, and none at all while KMS keeps failing. */
export class Guard {
  readonly #label: string
  readonly #limits: KmsLimits
  readonly #nowMs: () => number
  readonly #random: () => number
  readonly #observer: KmsObserver | undefined
  readonly #breaker: CircuitBreaker
  readonly #budget: RetryBudget

  constructor(label: string, { observer, limits, nowMs, random }: KmsOptions) {
    this.#label = label
    this.#limits = { ...KMS_LIMITS, ...limits }
    this.#nowMs = nowMs ?? (() => performance.now())
    this.#random = random ?? Math.random
    this.#observer = observer
    const { failuresMax, openMs, openMsMax, retriesMax } = this.#limits
    this.#breaker = new CircuitBreaker({
      failuresMax,
      openMs,
      openMsMax,
      nowMs: this.#nowMs,
      changed: (state) => observer?.circuit(state),
    })
    this.#budget = new RetryBudget({ max: retriesMax, earned: RETRY_EARNED })
    observer?.circuit('closed')
  }

  /**
   * Throws Fault `unavailable` (KMS does not answer, or says no for now), `malformed` (there is no such key) or `bad_signature` (`attempt` threw WrongAnswer:
   * it is not tried again, since an answer that does not verify is nothing that should happen by chance).
   */
  async call<T>(operation: KmsOperation, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const endsAtMs = this.#nowMs() + this.#limits.totalTimeoutMs
    for (let made = 1; ; made++) {
      const pass = this.#breaker.enter()
      if (pass === undefined) throw this.#notTried(operation)
      const sinceMs = this.#nowMs()
      const told = (result: KmsResult) => this.#observer?.called(operation, result, (this.#nowMs() - sinceMs) / 1000)
      try {
        const result = await within(this.#limits.attemptTimeoutMs, attempt)
        pass.succeeded()
        this.#budget.succeeded()
        told('ok')
        return result
      } catch (error) {
        const failure = failureOf(error)
        if (failure.kind === 'final') pass.succeeded()
        else pass.failed()
        const waitMs = this.#random() * this.#limits.backoffMs * 2 ** (made - 1)
        if (!this.#triesAgain(failure, made, endsAtMs - waitMs)) {
          told(failure.kind === 'passing' ? 'failed' : failure.kind === 'wrong' ? 'wrong' : 'refused')
          throw this.#faultOf(failure, made)
        }
        told('retried')
        await sleep(waitMs)
      }
    }
  }

  #triesAgain({ kind }: KmsFailure, made: number, latestMs: number): boolean {
    const may = kind === 'passing' && made < this.#limits.attemptsMax && this.#nowMs() < latestMs
    return may && this.#breaker.state === 'closed' && this.#budget.take()
  }

  #notTried(operation: KmsOperation): Fault {
    this.#observer?.called(operation, 'not_tried', 0)
    const seconds = Math.ceil(this.#breaker.waitMs / 1000)
    return new Fault('unavailable', {
      message: `KMS key ${this.#label}: KMS failed again and again; it is asked again ${seconds > 0 ? `in ${seconds} s` : 'now, by another call'}.`,
    })
  }

  #faultOf({ kind, name, sentence, detail }: KmsFailure, attempts: number): Fault {
    const message = `KMS key ${this.#label}: ${sentence}.`
    const said = [name, detail, `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`].filter(Boolean).join(', ')
    const code = kind === 'wrong' ? 'bad_signature' : name === 'NotFoundException' ? 'malformed' : 'unavailable'
    // The SDK's own error holds the request: what is kept of it is its name.
    return new Fault(code, { message, cause: new Error(said) })
  }
}

/** Also what the SDK does before the request, such as asking for credentials, has to end in time. */
function within<T>(ms: number, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      controller.abort()
      reject(new DOMException('No answer in time.', 'TimeoutError'))
    }, ms)
    attempt(controller.signal)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
  })
}
