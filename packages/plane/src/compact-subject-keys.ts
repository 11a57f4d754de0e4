import { randomBytes } from 'node:crypto'
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { bucketStream, bucketSubjects } from '@writ/contracts'

const STREAM = bucketStream('subject-keys')
const FILTER = bucketSubjects('subject-keys')
/** A key of the bucket that is nobody's, and gone when this is done. */
export const FILLER_ID = 'filler'
const FILLER = FILTER.replace('>', FILLER_ID)
const FILLER_BYTES = 60_000
/** A block of the server's files holds at most 8 MiB. */
const BLOCK_BYTES = 9 * 2 ** 20
const WRONG_LAST_SEQUENCE = 10071

/**
 * Makes the server's files forget what was destroyed. What takes a key's place takes it out of the bucket, but its bytes stay in the block of the
 * file in which they lie until nearly all of that is gone, which with so few writes may be never: so a new block is begun, and everything that
 * is left is written again into it, exactly as it is; blocks in which nothing is left are deleted. Values that change meanwhile are left to who
 * changes them. Needs STORE's provisioning credential.
 */
export async function compactSubjectKeys(store: NatsConnection): Promise<{ readonly rewritten: number }> {
  const js = jetstream(store)
  const jsm = await jetstreamManager(store)
  const { last_seq: end } = (await jsm.streams.info(STREAM)).state
  for (let bytes = 0; bytes < BLOCK_BYTES; bytes += FILLER_BYTES) await js.publish(FILLER, randomBytes(FILLER_BYTES))
  let rewritten = 0
  for (let seq = 1; seq <= end; seq++) {
    const stored = await jsm.direct.getMessage(STREAM, { seq, next_by_subj: FILTER })
    if (stored === null || stored.seq > end) break
    seq = stored.seq
    if (stored.subject === FILLER) continue
    const expect = { lastSubjectSequence: seq }
    try {
      await js.publish(stored.subject, stored.data, { headers: kept(stored.header.get('KV-Operation')), expect })
      rewritten += 1
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || error.code !== WRONG_LAST_SEQUENCE) throw error
    }
  }
  await js.publish(FILLER, new Uint8Array(0), { headers: kept('PURGE') })
  return { rewritten }
}

function kept(operation: string): ReturnType<typeof headers> {
  const made = headers()
  if (operation !== '') made.set('KV-Operation', operation)
  return made
}
