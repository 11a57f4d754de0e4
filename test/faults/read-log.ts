import {
  bundlePath,
  checkpointKey,
  decodeBundle,
  directoryReader,
  fullTiles,
  parseCheckpoint,
  partialWidth,
  TILE_WIDTH,
  tileKey,
} from '@writ/audit'
import { type AuditEvent, auditMessage } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import type { LoggedEvent, LoggedMessage } from './history.ts'

/** Every leaf of a log, as it lies in the store. Whether it verifies is the verifier's to say. */
export async function readLog(storeDir: string, origin: string): Promise<readonly LoggedMessage[]> {
  const reader = directoryReader(storeDir)
  const read = async (key: string): Promise<Uint8Array> => {
    const bytes = await reader.read(key)
    if (bytes === undefined) throw new Error(`the store has no ${key}`)
    return bytes
  }
  const note = Buffer.from(await read(checkpointKey(origin))).toString()
  const { size } = parseCheckpoint(note.slice(0, note.lastIndexOf('\n\n') + 1))
  const leaves: LoggedMessage[] = []
  for (let n = 0; n * TILE_WIDTH < size; n++) {
    const width = n < fullTiles(0, size) ? TILE_WIDTH : partialWidth(0, size)
    const bundle = await read(tileKey(origin, bundlePath(n, width)))
    for (const [at, entry] of decodeBundle(bundle, width).entries()) {
      const { jws, claims } = openMessage(auditMessage, entry)
      const { source, seq, events } = claims
      leaves.push({ index: n * TILE_WIDTH + at, source, seq, digest: jws.digest, events: events.map(loggedEvent) })
    }
  }
  return leaves
}

function loggedEvent({
  event_id,
  type,
  timestamp,
  intent_digest,
  plan_id,
  policy,
  reasons,
  detail,
}: AuditEvent): LoggedEvent {
  const bundle = policy?.['bundle_sha256']
  const { step_id, use, outcome_digest } = detail ?? {}
  return {
    event_id,
    type,
    at: Date.parse(timestamp),
    codes: reasons ?? [],
    ...(intent_digest !== undefined && { intent_digest }),
    ...(plan_id !== undefined && { plan_id }),
    ...(typeof bundle === 'string' && { bundle_sha256: bundle }),
    ...(typeof step_id === 'string' && { step_id }),
    ...(typeof use === 'number' && { use }),
    ...(typeof outcome_digest === 'string' && { outcome: outcome_digest }),
  }
}
