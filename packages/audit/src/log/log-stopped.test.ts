import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, signerOf } from '@writ/keys'
import { DirectoryStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import type { SourceHead } from '../core/source-heads.ts'
import {
  clock,
  dir,
  expectExactlyOnce,
  faulty,
  file,
  message,
  messages,
  NAME,
  noteSigner,
  ORIGIN,
  opener,
  openSealer,
  type Published,
  Stream,
} from '../testing/log.ts'
import { memoryStore } from '../testing/memory-store.ts'
import { LogFiles } from './log-files.ts'
import { checkpointKey } from './log-keys.ts'
import { LogStopped } from './log-stopped.ts'
import { type NoteSigner, noteSignerOf } from './note-signer.ts'
import type { Seal, Staged } from './seal.ts'
import { Sealer } from './sealer.ts'

describe('a store that contradicts itself stops the log', () => {
  async function sealed(): Promise<Stream> {
    const audit = new Stream('AUDIT')
    audit.store(...(await messages('token-issuer/i1/b1', 0, 10)))
    await (await openSealer({ streams: [audit] })).seal()
    return audit
  }
  const overwrite = async (path: string, bytes: Uint8Array | string): Promise<void> => {
    await rm(join(dir, path))
    await writeFile(join(dir, path), bytes)
  }

  test('an entry bundle that was changed', async () => {
    const audit = await sealed()
    const path = `${ORIGIN}/tile/entries/000.p/11`
    const bytes = await file(path)
    bytes[50] = (bytes[50] as number) ^ 1
    await overwrite(path, bytes)
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a hash tile that was changed', async () => {
    const audit = await sealed()
    await overwrite(`${ORIGIN}/tile/0/000.p/11`, Buffer.alloc(11 * 32))
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a staged batch that was changed', async () => {
    const audit = await sealed()
    const [name] = (await readdir(join(dir, `${ORIGIN}.meta/staging`))).slice(-1)
    for (const each of await readdir(join(dir, `${ORIGIN}.meta/staging`)))
      await overwrite(`${ORIGIN}.meta/staging/${each}`, '{}')
    expect(name).toBeDefined()
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(LogStopped)
  })

  test('a checkpoint that no seal explains: the seals were set back', async () => {
    const audit = await sealed()
    await rm(join(dir, `${ORIGIN}.meta/seals/000000000002`))
    await expect(openSealer({ streams: [audit] })).rejects.toThrow('beyond its last seal')
  })

  test('a checkpoint of another key', async () => {
    const audit = await sealed()
    const other = noteSignerOf(signerOf(generateJwk('EdDSA')))
    const opening = Sealer.open({
      store: await DirectoryStore.open(dir),
      name: NAME,
      signer: other,
      streams: [audit],
      retention: { fullMs: 1, shortMs: 1 },
      now: clock.now,
      opening: opener(),
    })
    await expect(opening).rejects.toThrow('not signed by the log key')
  })

  test('other bytes where the next tile belongs: nothing is overwritten, nothing signed', async () => {
    const audit = await sealed()
    const store = await DirectoryStore.open(dir)
    await store.put(`${ORIGIN}/tile/0/000.p/12`, Buffer.alloc(12 * 32), clock.now())
    audit.store(await message('token-issuer/i1/b1', 10))
    const sealer = await openSealer({ streams: [audit] })
    await expect(sealer.seal()).rejects.toThrow(LogStopped)
    await expect(sealer.seal()).rejects.toThrow(LogStopped)
    expect(await readdir(join(dir, `${ORIGIN}.meta/checkpoints`))).toHaveLength(2)
  })
})

/** A log of the same name that somebody wrote in a folder of their own, with a key of their own or ours: the opening and `count` messages. */
async function forge(signer: NoteSigner, count: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'writ-forged-'))
  const audit = new Stream('AUDIT')
  audit.store(...(await messages('token-issuer/i6/b6', 0, count)))
  const sealer = await Sealer.open({
    store: await DirectoryStore.open(folder),
    name: NAME,
    signer,
    streams: [audit],
    retention: { fullMs: 86_400_000, shortMs: 86_400_000 },
    now: clock.now,
    opening: opener(),
  })
  await sealer.seal()
  return folder
}

describe('whoever may write to the store and has not the key gets no signature on another history', () => {
  const PARTS = [`${ORIGIN}/tile`, `${ORIGIN}.meta/seals`, `${ORIGIN}.meta/staging`]

  /** A log of two seals in which both, their batches and tiles are those of another with the same sizes. */
  async function replaced(): Promise<Stream> {
    const audit = new Stream('AUDIT')
    audit.store(...(await messages('token-issuer/i1/b1', 0, 10)))
    await (await openSealer({ streams: [audit] })).seal()
    const forged = await forge(noteSignerOf(signerOf(generateJwk('EdDSA'))), 10)
    for (const part of PARTS) {
      await rm(join(dir, part), { recursive: true })
      await cp(join(forged, part), join(dir, part), { recursive: true })
    }
    await rm(forged, { recursive: true })
    audit.store(await message('token-issuer/i1/b1', 10))
    return audit
  }
  const copies = (): Promise<string[]> => readdir(join(dir, `${ORIGIN}.meta/checkpoints`))

  test('seals, batches and tiles replaced by others of the same size', async () => {
    const audit = await replaced()
    const before = await copies()
    await expect(openSealer({ streams: [audit] })).rejects.toThrow('are about other trees')
    expect(await copies()).toEqual(before)
  })

  test('and the checkpoint taken away or turned back with them: the copy of the last finished seal is not its tree', async () => {
    const audit = await replaced()
    const before = await copies()
    await rm(join(dir, `.versions/${ORIGIN}/checkpoint`), { recursive: true })
    await rm(join(dir, `${ORIGIN}/checkpoint`), { force: true })
    await expect(openSealer({ streams: [audit] })).rejects.toThrow(/checkpoints\/0*1 is about another tree/)
    expect(await copies()).toEqual(before)
  })
})

test('a checkpoint of the same size and another root where everyone looks stops the log', async () => {
  const audit = new Stream('AUDIT')
  const store = await DirectoryStore.open(dir)
  const sealer = await openSealer({ streams: [audit], store })
  await sealer.seal()
  const forged = await forge(noteSigner, 1)
  const other = await (await DirectoryStore.open(forged)).current(checkpointKey(ORIGIN))
  await rm(forged, { recursive: true })
  const shown = await store.current(checkpointKey(ORIGIN))
  await store.replace(checkpointKey(ORIGIN), other?.bytes as Uint8Array, shown?.etag, clock.now())
  audit.store(await message('token-issuer/i1/b1', 0))
  await expect(sealer.seal()).rejects.toThrow('is about another tree of size 2')
})

test('where showing a checkpoint fails for good it is a fault to try again later, not a loop', async () => {
  const store = memoryStore()
  let tries = 0
  const losing = {
    ...store,
    replace: async () => {
      tries++
      return 'conflict' as const
    },
  }
  await expect((await openSealer({ store: losing })).seal()).rejects.toMatchObject({ code: 'unavailable' })
  expect(tries).toBe(16)
  await (await openSealer({ store })).seal()
  expect(await store.current(checkpointKey(ORIGIN))).toBeDefined()
})

describe('a seal that another reserved, whose batch says what its entries do not', () => {
  const source = 'token-issuer/i1/b1'

  /** Reserves the next seal of a log of 11 leaves with three right messages, its batch changed. Returns the writer that finds it. */
  async function planted(
    change: (staged: Staged) => Staged,
  ): Promise<{ sealer: Sealer; all: Published[]; store: DirectoryStore }> {
    const audit = new Stream('AUDIT')
    const all = await messages(source, 0, 13)
    audit.store(...all.slice(0, 10))
    await (await openSealer({ streams: [audit] })).seal()
    const sealer = await openSealer({ streams: [audit] })
    // What an honest writer would reserve, from one that is killed right before it finishes.
    const store = await DirectoryStore.open(dir)
    const files = new LogFiles(ORIGIN, store, { fullMs: 1, shortMs: 1 }, clock.now)
    let reserved: Seal | undefined
    const killed = {
      ...faulty(store, 0, 'lost').store,
      put: async (key: string, bytes: Uint8Array, until: Date) => {
        if (!key.includes('/seals/')) return await store.put(key, bytes, until)
        reserved = JSON.parse(Buffer.from(bytes).toString()) as Seal
        throw new Error('killed')
      },
    }
    audit.store(...all.slice(10))
    await expect((await openSealer({ streams: [audit], store: killed })).seal()).rejects.toThrow('killed')
    const honest = reserved as Seal
    const staged = change((await files.staged(honest)) as Staged)
    await files.reserve({ ...honest, staging: await files.stage(staged) })
    return { sealer, all, store }
  }
  const changed = (staged: Staged, head: object, name = source): Staged => ({
    ...staged,
    sources: new Map(staged.sources).set(name, { ...(staged.sources.get(source) as SourceHead), ...head }),
  })

  test('is finished where it is honest, whatever it says of the streams', async () => {
    const { sealer, all } = await planted((staged) => ({
      ...staged,
      streams: { AUDIT: { created: 'x', seq: 10 ** 9 } },
    }))
    expect((await sealer.seal()).heads).toEqual(new Map([[source, 12]]))
    await expectExactlyOnce(all)
  })

  test.each<[string, (staged: Staged) => Staged]>([
    ['a head beyond its entries', (staged) => changed(staged, { seq: 10 ** 6 })],
    ['a head below them', (staged) => changed(staged, { seq: 3 })],
    ['runs beyond holes', (staged) => changed(staged, { ahead: [[20, 30, Buffer.alloc(32).toString('base64url')]] })],
    ['the head of a source that said nothing', (staged) => changed(staged, {}, 'gateway/g9/b9')],
    ['no head of a source', (staged) => ({ ...staged, sources: new Map() })],
    ['another epoch before', (staged) => ({ ...staged, predecessor: 'audit.example/eusc-de-east-1/2020h1' })],
  ])('stops the log: %s', async (_, change) => {
    const { sealer, store } = await planted(change)
    const before = await readdir(join(dir, `${ORIGIN}.meta/checkpoints`))
    await expect(sealer.seal()).rejects.toThrow(LogStopped)
    await expect((await openSealer({ store })).seal()).rejects.toThrow(LogStopped)
    expect(await readdir(join(dir, `${ORIGIN}.meta/checkpoints`))).toEqual(before)
  })
})
