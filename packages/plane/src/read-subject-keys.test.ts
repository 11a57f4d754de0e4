import { jetstream } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { DESTROYED, openWrappingKey, SubjectKeys } from '@writ/audit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, type TestNats } from '../../../test/support/nats.ts'
import { planePaths, readSubjectKeys } from './index.ts'

let nats: TestNats
beforeAll(async () => {
  nats = await startNats()
}, 60_000)
afterAll(() => nats.stop())

test('reads the keys that intent-gateway made, and none that was destroyed', async () => {
  const { plane } = nats
  const js = jetstream(nats.store)
  const put = (kid: string, value: Uint8Array, hdrs = headers()) =>
    js.publish(`$KV.subject-keys.${kid}`, value, { headers: hdrs })
  const store = {
    get: async () => undefined,
    create: async (kid: string, wrapped: Uint8Array) => {
      await put(kid, wrapped)
      return true
    },
  }
  const keys = await SubjectKeys.open(
    await openWrappingKey(`file:${planePaths(plane.dir).wrapKey}`),
    store,
    plane.region,
  )
  const [anna, records] = [await keys.keyOf('anna', 0), await keys.recordsKey()]
  const gone = await keys.keyOf('bert', 0)
  const purge = headers()
  purge.set('KV-Operation', 'PURGE')
  purge.set('Nats-Rollup', 'sub')
  await put(gone.kid, new Uint8Array(0), purge)
  await put('u-erased', DESTROYED)
  // What a compaction that was killed leaves.
  await put('filler', new Uint8Array(100))
  await put('u-erased', DESTROYED)
  // What a compaction that was killed leaves.
  await put('filler', new Uint8Array(100))
  const found = await readSubjectKeys(plane, nats.store)
  expect(found.map(({ kid }) => kid)).toEqual([anna.kid, records.kid])
  expect(found.map(({ key }) => Buffer.from(key))).toEqual([anna, records].map(({ key }) => Buffer.from(key)))
})
