import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { openWrappingKey, type SubjectKey, unwrapSubjectKeys } from '@writ/audit'
import { bucketStream, bucketSubjects } from '@writ/contracts'
import { FILLER_ID } from './compact-subject-keys.ts'
import type { Plane } from './plane.ts'

const STREAM = bucketStream('subject-keys')
const FILTER = bucketSubjects('subject-keys')

/**
 * The subject keys that are not destroyed, unwrapped: whoever has them reads every sealed document. Needs STORE's provisioning credential and
 * the plane's wrapping key. Throws Fault `unavailable` when a key does not open.
 */
export async function readSubjectKeys(plane: Plane, store: NatsConnection): Promise<SubjectKey[]> {
  const wrapped = await readWrapped(await jetstreamManager(store))
  const wrapping = await openWrappingKey(plane.references.wrap)
  return await unwrapSubjectKeys(wrapping, plane.region, wrapped)
}

async function readWrapped(jsm: JetStreamManager): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (let seq = 1; ; ) {
    const stored = await jsm.direct.getMessage(STREAM, { seq, next_by_subj: FILTER })
    if (stored === null) return found
    const kid = stored.subject.slice(FILTER.length - 1)
    // A destroyed key leaves a mark without a value.
    if (stored.header.has('KV-Operation') || kid === FILLER_ID) found.delete(kid)
    else found.set(kid, stored.data)
    seq = stored.seq + 1
  }
}
