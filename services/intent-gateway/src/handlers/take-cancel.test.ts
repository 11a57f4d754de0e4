import { verifyParty } from '@writ/authority'
import type { Bucket } from '@writ/bus'
import { cancelMessage, type Intent } from '@writ/contracts'
import { openMessage, signMessage } from '@writ/keys'
import { expect, test } from 'vitest'
import { AUDIENCE, createSmallPlant, freshId, nowSeconds } from '../../../../test/support/world.ts'
import { IntentRecords } from '../adapters/intent-records.ts'
import { IntentIndex } from '../core/intent-index.ts'
import { accepted } from '../core/transitions.ts'
import { takeCancel } from './take-cancel.ts'

/** Keys and revisions as a bucket has them. */
function memoryBucket(): Bucket {
  const entries = new Map<string, { value: Uint8Array; revision: number }>()
  let revision = 0
  const put = async (key: string, value: Uint8Array | string): Promise<number> => {
    entries.set(key, { value: Buffer.from(value), revision: ++revision })
    return revision
  }
  return {
    put,
    get: async (key) => entries.get(key),
    create: async (key, value) => (entries.has(key) ? 'exists' : put(key, value)),
    update: async (key, value, known) => (entries.get(key)?.revision === known ? put(key, value) : 'stale'),
    delete: async (key) => void entries.delete(key),
    entries: async function* () {
      for (const [key, entry] of entries) yield { key, ...entry }
    },
  }
}

test('a cancel finds an intent that another replica has taken in a moment ago', async () => {
  const plant = await createSmallPlant()
  const bucket = memoryBucket()
  const [one, other] = [new IntentRecords(bucket, new IntentIndex()), new IntentRecords(bucket, new IntentIndex())]
  const now = nowSeconds()
  const intent = { iss: 'a1', jti: 'i1', exp: now + 60, on_behalf_of: 'u1', action: 'restart' } as Intent
  const digest = 'A'.repeat(43)
  const steps = [{ step_id: 's0', device_id: 'd1', gateway_id: 'g1', group: 'hall' }]
  await one.create(accepted(intent, { digest, kid: digest }, steps, now))
  const kicked: string[] = []
  const take = takeCancel({
    view: { authority: plant.authority } as never,
    records: other,
    statuses: {} as never,
    clock: { nowSeconds },
    kickNow: (key) => kicked.push(key),
    catchUp: async () => void (await other.read('a1.i1')),
  })
  const body = await signMessage(plant.world.signerOf('agent', 'a1'), cancelMessage, {
    iss: 'a1',
    aud: AUDIENCE,
    iat: now,
    exp: now + 60,
    jti: freshId('x'),
    intent_digest: digest,
  })
  await take('a1', verifyParty(plant.authority, 'agent', openMessage(cancelMessage, body)))
  expect([kicked, (await one.read('a1.i1'))?.state]).toEqual([['a1.i1'], 'cancelled'])
})
