import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type DerivationStore, openPseudonyms, openWrappingKey } from '@writ/audit'
import { bucketStream, bucketSubjects, Fault } from '@writ/contracts'
import type { Plane } from './plane.ts'

/** Who stands for whom in the plane's log. Needs STORE's provisioning credential and the plane's wrapping key. Throws Fault `unavailable`. */
export async function readPseudonyms(plane: Plane, store: NatsConnection): Promise<(user: string) => string> {
  const derivation = readOnly(await jetstreamManager(store))
  return openPseudonyms(await openWrappingKey(plane.references.wrap, { store: derivation }), plane.region)
}

/** A secret that intent-gateway has not made yet stands for nobody: it is not made here. */
function readOnly(jsm: JetStreamManager): DerivationStore {
  return {
    get: async (keyId) => {
      const last_by_subj = bucketSubjects('subject-keys').replace('>', keyId)
      const stored = await jsm.direct.getMessage(bucketStream('subject-keys'), { last_by_subj })
      return stored === null || stored.header.has('KV-Operation') ? undefined : stored.data
    },
    create: () =>
      Promise.reject(new Fault('unavailable', { message: 'No pseudonym has been made in this plane yet.' })),
  }
}
