import { Fault } from '@writ/contracts'

/** Names of the epochs of the log that are under legal hold, as the store says. Throws Fault `unavailable` when that cannot be told. */
export function holdsOf(store: string | undefined): () => Promise<readonly string[]> {
  return async () => {
    if (store === undefined)
      throw new Fault('unavailable', {
        message:
          'Whether there is a legal hold cannot be told: this intent-gateway has no WRIT_STORE. No key is destroyed.',
      })
    return []
  }
}
