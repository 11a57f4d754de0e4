import type { NewEvent } from '@writ/audit'
import type { EventDocument } from '@writ/contracts'

/** What the documents of one event may take, so that a message of 64,000 bytes holds it with its other members. */
const DOCUMENTS_BYTES_MAX = 45_000

/** Documents spread over as many events of one kind as they need; a single one of 32 KiB fits when sealed. */
export function spread(event: NewEvent, documents: readonly EventDocument[]): NewEvent[] {
  const groups: EventDocument[][] = [[]]
  let bytes = 0
  for (const document of documents) {
    const size = JSON.stringify(document).length + 1
    if (bytes + size > DOCUMENTS_BYTES_MAX && bytes > 0) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)?.push(document)
    bytes += size
  }
  return groups.map((group) => (group.length === 0 ? event : { ...event, documents: group }))
}
