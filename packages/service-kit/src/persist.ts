import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '@writ/contracts'
import type { Health } from './health.ts'
import type { Logger } from './logger.ts'

export interface Persistence {
  readonly signal: AbortSignal
  readonly log: Logger
  readonly health: Health
}

const RETRY_MS = 500

/**
 * Does one step of a start, again and again while it is `unavailable`: services start in any order. Any other failure is thrown at once.
 * `what` is what readiness says meanwhile.
 */
export async function persist<T>(
  { signal, log, health }: Persistence,
  what: string,
  step: () => Promise<T>,
): Promise<T> {
  for (let told = ''; ; ) {
    signal.throwIfAborted()
    health.starting(told === '' ? what : `${what}: ${told}`)
    try {
      return await step()
    } catch (error) {
      if (!isFault(error) || error.code !== 'unavailable') throw error
      if (told !== error.message) log.warn({ err: error }, `waiting: ${what}`)
      told = error.message
      await sleep(RETRY_MS, undefined, { signal })
    }
  }
}
