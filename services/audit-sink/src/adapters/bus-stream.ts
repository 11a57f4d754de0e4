import type { AuditStream, StoredMessage } from '@writ/audit'
import type { Bus } from '@writ/bus'
import { subjects } from '@writ/contracts'

/** Messages in one answer of the stream. */
const READ_BATCH = 1024

export const AUDIT_STREAMS = ['AUDIT', 'AUDIT_EDGE'] as const
export type AuditStreamName = (typeof AUDIT_STREAMS)[number]

/** Reads a stream by direct get, from wherever the log is: no consumer's position decides what enters. */
export function busStream(bus: Pick<Bus, 'read' | 'streamInfo'>, region: string, name: AuditStreamName): AuditStream {
  const at = subjects(region)
  return {
    name,
    identity: async () => {
      const { created, lastSeq } = await bus.streamInfo(name)
      return { created, lastSeq }
    },
    read: async (from, { countMax, bytesMax }) => {
      const messages: StoredMessage[] = []
      let bytes = 0
      const options = { fromSeq: from, filter: at.under('audit'), batch: Math.min(countMax, READ_BATCH) }
      for await (const { seq, subject, data } of bus.read(name, options)) {
        messages.push({ seq, source: at.idsOf('audit', subject)?.join('/') ?? '', body: data })
        bytes += data.length
        if (messages.length >= countMax || bytes >= bytesMax) break
      }
      return messages
    },
  }
}
