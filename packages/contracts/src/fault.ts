import type { Reason, ReasonCode } from './codes.ts'

export interface FaultOptions {
  /** One plain sentence that the outside may read. It never quotes input. */
  readonly message: string
  /** For operators and logs only. */
  readonly cause?: unknown
}

/**
 * A refusal or failure that a caller branches on by its code. Anything else that is thrown is a bug and is answered `internal`.
 * `unavailable` means "could not decide": callers fail closed and may try again; every other code is a decided no.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: ReasonCode

  constructor(code: ReasonCode, options: FaultOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }

  get reason(): Reason {
    return { code: this.code, message: this.message }
  }
}

export function isFault(error: unknown): error is Fault {
  return error instanceof Fault
}

/** What leaves the process when something failed: a Fault's own reason, and of anything else nothing but `internal`. */
export function reasonOf(error: unknown): Reason {
  return isFault(error) ? error.reason : { code: 'internal', message: 'An unexpected failure; the service log has it.' }
}
