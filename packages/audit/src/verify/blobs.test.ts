import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobRef } from '@writ/contracts'
import { DirectoryStore } from '@writ/worm-store'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BLOB_BYTES_MAX, putBlob } from '../log/blobs.ts'
import { blobKey } from '../log/log-keys.ts'
import { auditEvent } from '../source/events.ts'
import { ORIGIN, pins, plant, START, seal, type TestSource, vkeys } from '../testing/plant-log.ts'
import { directoryReader } from './log-reader.ts'
import type { Verdict } from './verdicts.ts'
import { verifyLog } from './verify-log.ts'

let dir: string
let store: DirectoryStore
const until = new Date('2027-12-31T00:00:00Z')
const evidence = Buffer.alloc(200_000, 'quote and certificates ')
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-blobs-'))
  store = await DirectoryStore.open(dir)
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** What a log is said of in which one event names these. */
async function verdictsOf(blobs: unknown): Promise<readonly Verdict[]> {
  const made = await plant({})
  const source = made.sources['intent-gateway'] as TestSource
  const fields = { attestation: {}, detail: { blobs: blobs as never } }
  const event = auditEvent('attestation.appraised', fields, 'succeeded')
  const message = await source.message('appraised', START + 30, [event])
  await seal(dir, made.opening, [[...made.messages, message]])
  const { findings } = await verifyLog({ reader: directoryReader(dir), vkeys, pins, complete: true })
  return findings.map(({ verdict }) => verdict)
}

const overwrite = async (ref: BlobRef, bytes: Uint8Array): Promise<void> => {
  const path = join(dir, blobKey(ref.origin, ref.sha256))
  await rm(path)
  await writeFile(path, bytes)
}

describe('a payload beside the log', () => {
  test('is written once under its digest, and again without effect; what an event names is what is there', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    expect(await putBlob(store, ORIGIN, evidence, until)).toEqual(ref)
    expect(ref).toMatchObject({ origin: ORIGIN, length: 200_000 })
    expect(await verdictsOf([ref])).toEqual([])
  })

  test('that is not there is missing', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    await rm(join(dir, blobKey(ORIGIN, ref.sha256)))
    expect(await verdictsOf([ref])).toEqual(['blob_missing'])
  })

  test('of which a byte was changed, or one was added, is altered', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    const changed = Buffer.from(evidence)
    changed[100] = 0
    await overwrite(ref, changed)
    expect(await verdictsOf([ref])).toEqual(['blob_altered'])
  })

  test('whose length is not the one that the event says is altered', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    expect(await verdictsOf([{ ...ref, length: 199_999 }])).toEqual(['blob_altered'])
  })

  test.each([
    ['of another’s log', { origin: 'audit.example/us-east-1/2026h2' }],
    ['outside of the store', { origin: '../../2026h2' }],
    ['without a digest', { sha256: 'AAAA' }],
    ['without a length', { length: '200000' }],
  ])('%s is none, and nothing is read', async (_, change) => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    expect(await verdictsOf([{ ...ref, ...change }])).toEqual(['message_malformed'])
  })

  test('is none where one event names more than a reader is to be kept busy with', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    expect(await verdictsOf(Array.from({ length: 17 }, () => ref))).toEqual(['message_malformed'])
  })

  test('is refused where it is larger than may be', async () => {
    const large = putBlob(store, ORIGIN, Buffer.alloc(BLOB_BYTES_MAX + 1), until)
    await expect(large).rejects.toMatchObject({ code: 'too_large' })
  })

  test('that lies there with other bytes is never taken for the one that was to be written', async () => {
    const ref = await putBlob(store, ORIGIN, evidence, until)
    await overwrite(ref, Buffer.from('other bytes'))
    await expect(putBlob(store, ORIGIN, evidence, until)).rejects.toMatchObject({ code: 'internal' })
  })
})
