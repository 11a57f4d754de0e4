import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DirectoryStore } from './directory-store.ts'
import { describeStore } from './testing/store-conformance.ts'

// The stores in S3 are rows of the same suite in test/worm-store-s3.test.ts, with real servers.
describeStore({
  name: 'a directory',
  open: async () => {
    let at = new Date('2026-01-01T00:00:00Z')
    const now = (): Date => at
    const dir = await mkdtemp(join(tmpdir(), 'writ-store-'))
    return {
      store: await DirectoryStore.open(dir, { now }),
      second: await DirectoryStore.open(dir, { now }),
      now,
      setNow: (to) => {
        at = to
      },
      close: () => rm(dir, { recursive: true, force: true }),
    }
  },
})
