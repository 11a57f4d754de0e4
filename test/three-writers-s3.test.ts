import { S3Store } from '@writ/worm-store'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { SEAL_STEPS } from '../packages/audit/src/testing/seal-steps.ts'
import { runThreeWriters } from '../packages/audit/src/testing/three-writers.ts'
import { had, titled } from './support/needs.ts'
import { startS3, type TestS3 } from './support/s3.ts'

// The same as in packages/audit, on real S3 servers: two of three writers are paused, each between two steps of a seal.

for (const kind of ['versitygw', 'minio'] as const) {
  const server = await had(kind)
  describe.skipIf(server.missing !== undefined)(titled(`three writers on a bucket of ${kind}`, server), () => {
    let s3: TestS3
    beforeAll(async () => {
      s3 = await startS3(kind)
      await s3.createBucket('evidence')
    })
    afterAll(() => s3?.stop())

    test.each(SEAL_STEPS.map((first, at) => [first, SEAL_STEPS[(at + 3) % SEAL_STEPS.length] ?? first, at] as const))(
      'the first paused before "%s", the second before "%s", AUDIT made anew: one history of all that was ever signed',
      async (first, second, at) => {
        const place = { bucket: 'evidence', prefix: `run-${at}` }
        const store = await S3Store.open(place, { client: s3.client() })
        await runThreeWriters(store, { first, second, rebuilt: true, firstGoesOn: at % 2 === 0 ? 'first' : 'second' })
      },
    )
  })
}
