import { isFault } from '@writ/contracts'

/**
 * A key is filed before anything is signed with it, but this process may not have read it yet: at `unknown_key` it reads SIGNERS
 * to its end, once, and the second answer stands.
 */
export async function withSigners<T>(readSigners: () => Promise<void>, check: () => T): Promise<T> {
  try {
    return check()
  } catch (error) {
    if (!isFault(error) || error.code !== 'unknown_key') throw error
  }
  await readSigners()
  return check()
}
