import { Fault, isFault } from '@writ/contracts'

/** What failed on disk, as the one code that callers fail closed on. The path and errno stay in `cause`, for the log. */
export function storageFault(what: string, cause: unknown): Fault {
  if (isFault(cause)) return cause
  const full = errnoOf(cause) === 'ENOSPC' || errnoOf(cause) === 'EDQUOT'
  return new Fault('unavailable', { message: full ? `${what}: the disk is full.` : `${what} failed.`, cause })
}

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
