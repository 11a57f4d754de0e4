import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { DESTROYED } from '@writ/audit'
import { expect, test } from 'vitest'
import { startNats, type TestNats } from '../../../test/support/nats.ts'
import { compactSubjectKeys } from './index.ts'

const bytesOf = (n: number) => Buffer.from(`wrapped-key-of-person-${n}-${'x'.repeat(30)}`)

/** Which of them lie anywhere in the files of the server, whatever of it is still in a stream. */
async function onDisk(nats: TestNats): Promise<ReadonlySet<number>> {
  const found = new Set<number>()
  const names = await readdir(nats.dir, { recursive: true, withFileTypes: true })
  for (const name of names.filter((each) => each.isFile())) {
    const text = (await readFile(join(name.parentPath, name.name)).catch(() => Buffer.alloc(0))).toString('latin1')
    for (const [, n] of text.matchAll(/wrapped-key-of-person-(\d+)-/g)) found.add(Number(n))
  }
  return found
}

test.each([1, 3] as const)(
  'what was destroyed is gone from the files of %i servers, and everything else is as it was',
  async (replicas) => {
    await using nats = await startNats({ replicas })
    const js = jetstream(nats.store)
    const put = (n: number, value: Uint8Array) => js.publish(`$KV.subject-keys.u-${n}`, value)
    for (let n = 0; n < 20; n++) await put(n, bytesOf(n))
    for (const n of [0, 7, 19]) await put(n, DESTROYED)
    expect([...(await onDisk(nats))]).toEqual(expect.arrayContaining([0, 7, 19]))
    expect(await compactSubjectKeys(nats.store)).toEqual({ rewritten: 20 })
    const left = Array.from({ length: 20 }, (_, n) => n).filter((n) => ![0, 7, 19].includes(n))
    await expect.poll(async () => [...(await onDisk(nats))].sort((a, b) => a - b), { timeout: 60_000 }).toEqual(left)
    const jsm = await jetstreamManager(nats.store)
    for (let n = 0; n < 20; n++) {
      const stored = await jsm.direct.getMessage('KV_subject-keys', { last_by_subj: `$KV.subject-keys.u-${n}` })
      expect(Buffer.from(stored?.data ?? [])).toEqual(left.includes(n) ? bytesOf(n) : Buffer.from(DESTROYED))
    }
    // Again, and after the server was killed: the same.
    await compactSubjectKeys(nats.store)
    await nats.kill()
    await nats.start()
    expect([...(await onDisk(nats))].sort((a, b) => a - b)).toEqual(left)
  },
  240_000,
)
