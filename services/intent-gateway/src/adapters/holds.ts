import { stat } from 'node:fs/promises'
import { heldEpochs, type NoteVerifier, requireOwnLog, type UnverifiedHold } from '@writ/audit'
import type { Authority } from '@writ/authority'
import { Fault, isFault } from '@writ/contracts'
import { verifyJws } from '@writ/keys'
import { openStore, storeDirectory, type WormStore } from '@writ/worm-store'

/**
 * Names of the epochs of the log that are under legal hold, as the store says at each call. That a hold has ended is believed of an operator's word
 * alone. Throws Fault `unavailable` when it cannot be told: also where the store is none that holds this region's log, signed by one of `logKeys`.
 */
export function holdsOf(
  url: string | undefined,
  authority: Authority,
  logKeys: readonly NoteVerifier[],
): () => Promise<readonly string[]> {
  return async () => {
    if (url === undefined)
      throw new Fault('unavailable', {
        message: 'Whether there is a legal hold cannot be told without WRIT_STORE. No key is destroyed.',
      })
    const store = await openExisting(url)
    await requireOwnLog(store, authority.region, logKeys)
    const held = await heldEpochs(store, { region: authority.region }, (word) => isOperators(authority, word))
    return held.map(({ epoch }) => epoch)
  }
}

/** Opening a directory makes it; one that is not there was named wrongly. */
async function openExisting(url: string): Promise<WormStore> {
  if (!url.startsWith('s3:')) {
    const dir = storeDirectory(url)
    await stat(dir).catch((cause: unknown) => {
      throw new Fault('unavailable', { message: `The store ${dir} cannot be found. No key is destroyed.`, cause })
    })
  }
  return await openStore(url)
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
