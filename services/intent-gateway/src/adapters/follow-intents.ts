import type { Bus, StreamTail } from '@writ/bus'
import { bucketSubjects, isFault, subjects } from '@writ/contracts'
import type { IntentIndex } from '../core/intent-index.ts'
import { isStateKey, parseRecord, stateKey } from '../core/intent-record.ts'

/**
 * Keeps the index at what the bucket holds: woken by each change of another replica that the stream announces, read from the stream
 * itself. `changed` hears of every record read.
 */
export function followIntents(
  bus: Pick<Bus, 'tail'>,
  region: string,
  index: IntentIndex,
  changed: (key: string) => void,
  report: (error: unknown) => void,
): Promise<StreamTail> {
  const at = subjects(region)
  const prefix = bucketSubjects('intents').slice(0, -1)
  const records = `${prefix}*.*`
  return bus.tail({
    stream: 'KV_intents',
    filters: [records],
    wakeSubject: at.storedIntents,
    // Texts beside a record say nothing of it, and what this process wrote itself it knows.
    wakes: ({ subject, header }) => {
      const key = at.storedIntentKey(subject) ?? ''
      return isStateKey(key) && !((index.revisionOf(key) ?? 0) >= Number(header('Nats-Sequence')))
    },
    fromSeq: 1,
    apply: ({ subject, data, seq, deleted }) => {
      if (deleted) return
      // What this process wrote itself comes back.
      const key = subject.slice(prefix.length)
      if ((index.revisionOf(key) ?? 0) >= seq) {
        changed(key)
        return
      }
      try {
        const record = parseRecord(data)
        index.apply(record, seq)
        changed(stateKey(record.agent_id, record.intent_id))
      } catch (error) {
        // One record that cannot be read must not hide the others.
        if (!isFault(error)) throw error
        report(error)
      }
    },
  })
}
