import { heldEpochs, type UnverifiedHold } from '@writ/audit'
import type { Authority } from '@writ/authority'
import { Fault, isFault } from '@writ/contracts'
import { verifyJws } from '@writ/keys'
import { openStore } from '@writ/worm-store'

/**
 * Names of the epochs of the log that are under legal hold, as the store says at each call. That a hold has ended is believed of an operator's word
 * alone. Throws Fault `unavailable` when it cannot be told.
 */
export function holdsOf(url: string | undefined, authority: Authority): () => Promise<readonly string[]> {
  return async () => {
    if (url === undefined)
      throw new Fault('unavailable', {
        message: 'Whether there is a legal hold cannot be told without WRIT_STORE. No key is destroyed.',
      })
    const held = await heldEpochs(await openStore(url), { region: authority.region }, (word) =>
      isOperators(authority, word),
    )
    return held.map(({ epoch }) => epoch)
  }
}

function isOperators({ trust, control }: Authority, { iss, jws }: UnverifiedHold): boolean {
  const key = control.keyWasRevoked(jws.kid) ? undefined : trust.operatorKey(iss, jws.kid)
  if (key === undefined) return false
  try {
    verifyJws(jws, key)
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}
