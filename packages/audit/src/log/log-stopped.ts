/**
 * The log of an epoch holds what must not be there: other bytes under a final key, or a seal that does not follow from the one before. Nothing is
 * overwritten and nothing more is sealed until a person has looked; trying again does not help.
 */
export class LogStopped extends Error {
  override readonly name = 'LogStopped'
  readonly origin: string

  constructor(origin: string, options: { readonly message: string; readonly cause?: unknown }) {
    super(`${origin}: ${options.message}`, options.cause === undefined ? undefined : { cause: options.cause })
    this.origin = origin
  }
}
