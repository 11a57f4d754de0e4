import { type AuditEvent, type AuditMessage, auditMessage, isFault } from '@writ/contracts'
import { openMessage } from '@writ/keys'
import { parseCheckpoint } from '../core/checkpoint.ts'
import { bundlePath, decodeBundle, fullTiles, partialWidth, TILE_WIDTH } from '../core/tiles.ts'
import { checkpointKey, tileKey } from '../log/log-keys.ts'
import { epochsHere } from './epochs.ts'
import { directoryReader, type LogReader } from './log-reader.ts'

/** An entry as it lies in the log. Nothing is verified: this finds, `verifyLog` verifies. */
export interface FoundEntry {
  readonly origin: string
  /** Leaf index. */
  readonly index: number
  readonly source: string
  readonly events: readonly AuditEvent[]
}

/**
 * Entries of one log, as far as its checkpoint goes, with those of their events that fit; entries without any are left out. Anybody who may send
 * to the log may have sent what is no audit message: that is passed over, and `onUnreadable` hears its leaf index.
 */
export async function* findEntries(
  reader: LogReader,
  origin: string,
  fits: (event: AuditEvent) => boolean,
  onUnreadable?: (index: number) => void,
): AsyncGenerator<FoundEntry> {
  const size = await shownSize(reader, origin)
  for (let n = 0; n * TILE_WIDTH < size; n++) {
    const width = n < fullTiles(0, size) ? TILE_WIDTH : partialWidth(0, size)
    const bytes = await reader.read(tileKey(origin, bundlePath(n, width)))
    if (bytes === undefined) continue
    for (const [at, entry] of decodeBundle(bytes, width).entries()) {
      const message = claimsOf(entry)
      const index = n * TILE_WIDTH + at
      if (message === undefined) onUnreadable?.(index)
      const events = message?.events.filter(fits) ?? []
      if (message !== undefined && events.length > 0) yield { origin, index, source: message.source, events }
    }
  }
}

/** Where the evidence about an intent lies: in a log and those of later epochs of the same store, or of a folder. Nothing is verified. */
export async function entriesAbout(
  place: LogReader | string,
  origin: string,
  intentDigest: string,
): Promise<{ origin: string; index: number; source: string; types: string[] }[]> {
  const reader = typeof place === 'string' ? directoryReader(place) : place
  const about = (event: AuditEvent) =>
    event.intent_digest === intentDigest || (event.documents?.some(({ digest }) => digest === intentDigest) ?? false)
  const found: { origin: string; index: number; source: string; types: string[] }[] = []
  for (const log of (await epochsHere(reader, origin)).filter((one) => one >= origin))
    for await (const { index, source, events } of findEntries(reader, log, about))
      found.push({ origin: log, index, source, types: events.map(({ type }) => type) })
  return found
}

async function shownSize(reader: LogReader, origin: string): Promise<number> {
  const note = await reader.read(checkpointKey(origin))
  if (note === undefined) return 0
  const text = Buffer.from(note).toString()
  return parseCheckpoint(text.slice(0, text.lastIndexOf('\n\n') + 1)).size
}

function claimsOf(entry: Uint8Array): AuditMessage | undefined {
  try {
    return openMessage(auditMessage, entry).claims
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
