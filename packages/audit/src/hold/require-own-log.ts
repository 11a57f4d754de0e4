import { Fault, isFault } from '@writ/contracts'
import type { WormStore } from '@writ/worm-store'
import { EPOCH, originOf, parseOrigin } from '../core/epoch.ts'
import { openLogCheckpoint } from '../core/log-verifier.ts'
import type { NoteVerifier } from '../core/note-key.ts'
import { checkpointKey } from '../log/log-keys.ts'

/**
 * Before it is believed that there is no hold: throws Fault `unavailable` unless the store holds a log of the region whose checkpoint one of the pinned
 * keys signed. A store that is named wrongly holds no log, and no holds either.
 */
export async function requireOwnLog(store: WormStore, region: string, pinned: readonly NoteVerifier[]): Promise<void> {
  const logs = pinned.flatMap(({ name }) => parseOrigin(name) ?? parseOrigin(`${name}/0000h1`) ?? [])
  const domains = new Set(logs.filter((log) => log.region === region).map(({ domain }) => domain))
  for (const domain of domains)
    for await (const child of store.list(`${domain}/${region}/`)) {
      const epoch = child.replace(/\/$/, '')
      if (EPOCH.test(epoch) && (await isOurs(store, originOf({ domain, region }, epoch), pinned))) return
    }
  throw new Fault('unavailable', {
    message: `The store has no log of ${region} that a pinned key signed: whether there is a legal hold cannot be told.`,
  })
}

async function isOurs(store: WormStore, origin: string, pinned: readonly NoteVerifier[]): Promise<boolean> {
  const shown = await store.current(checkpointKey(origin))
  if (shown === undefined) return false
  try {
    return openLogCheckpoint(Buffer.from(shown.bytes).toString('utf8'), pinned).origin === origin
  } catch (error) {
    if (!isFault(error) || error.code === 'unavailable') throw error
    return false
  }
}
