import { isFault } from '@writ/contracts'

/**
 * A no is said only by who has read everything: a record or a lift may have been stored a moment ago. When `check` throws a Fault,
 * `catchUp` reads SIGNERS, REGISTRY and CONTROL to their ends, and the second answer stands. Not for what strangers send.
 */
export async function caughtUp<T>(catchUp: () => Promise<void>, check: () => T): Promise<T> {
  try {
    return check()
  } catch (error) {
    if (!isFault(error)) throw error
  }
  await catchUp()
  return check()
}
