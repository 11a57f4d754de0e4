import { NotVerified } from '@writ/audit'
import { isFault } from '@writ/contracts'

/** What a script can branch on. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  /** Writ said no; the output has the reason code. */
  refused: 3,
  /** It could not be reached or decided; try again. */
  unavailable: 4,
  /** The intent ended in another state than `succeeded`. */
  notSucceeded: 5,
  /** The evidence does not verify. */
  notVerified: 6,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export function exitCodeOf(error: unknown): ExitCode {
  if (!isFault(error)) return EXIT.internal
  if (error instanceof NotVerified) return EXIT.notVerified
  return error.code === 'unavailable' ? EXIT.unavailable : error.code === 'internal' ? EXIT.internal : EXIT.refused
}
