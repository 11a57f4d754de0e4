import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DirectoryStore, type WormStore } from '@writ/worm-store'
import { describe, expect, test } from 'vitest'
import { formatVkey } from '../core/note.ts'
import {
  dir,
  expectExactlyOnce,
  expectOneHistory,
  file,
  headsOf,
  messages,
  noteSigner,
  ORIGIN,
  openSealer,
  readLog,
  Stream,
} from '../testing/log.ts'

describe('sealing', () => {
  test('opens an epoch with its own message, then takes both streams in, each in its order', async () => {
    const [audit, edge] = [new Stream('AUDIT'), new Stream('AUDIT_EDGE')]
    audit.store(...(await messages('intent-gateway/i1/b1', 0, 3)))
    edge.store(...(await messages('gateway/g1/b1', 0, 2)))
    const sealer = await openSealer({ streams: [audit, edge] })
    const outcome = await sealer.seal()
    const { opened } = await readLog()
    expect(opened.map(({ source, seq }) => `${source} ${seq}`).slice(1)).toEqual([
      'intent-gateway/i1/b1 0',
      'intent-gateway/i1/b1 1',
      'intent-gateway/i1/b1 2',
      'gateway/g1/b1 0',
      'gateway/g1/b1 1',
    ])
    expect(opened[0]?.source).toMatch(/^audit-sink/)
    expect(headsOf(outcome)).toMatchObject({ 'intent-gateway/i1/b1': 2, 'gateway/g1/b1': 1 })
    expect(outcome.positions).toEqual({
      AUDIT: { created: '2026-01-01', seq: 3 },
      AUDIT_EDGE: { created: '2026-01-01', seq: 2 },
    })
    expect((await file(`${ORIGIN}.meta/log.vkey`)).toString()).toBe(`${formatVkey(noteSigner.verifier(ORIGIN))}\n`)
    await expectOneHistory()
  })

  test('puts nothing under the log but what tlog-tiles names', async () => {
    const audit = new Stream('AUDIT')
    const sealer = await openSealer({ streams: [audit] })
    for (let round = 0; round < 4; round++) {
      audit.store(...(await messages('token-issuer/i1/b1', round * 100, 100)))
      await sealer.seal()
    }
    const found = (await readdir(join(dir, ORIGIN), { recursive: true, withFileTypes: true })).filter((item) =>
      item.isFile(),
    )
    const paths = found.map((item) => join(item.parentPath, item.name).slice(join(dir, ORIGIN).length + 1))
    for (const path of paths) expect(path).toMatch(/^(checkpoint|tile\/(\d|entries)\/\d{3}(\.p\/\d+)?)$/)
  })

  test('ends a batch at a boundary of tiles and takes the rest next', async () => {
    const audit = new Stream('AUDIT')
    audit.store(...(await messages('token-issuer/i1/b1', 0, 300)))
    const sealer = await openSealer({ streams: [audit] })
    expect((await sealer.seal()).tree.size).toBe(256)
    expect((await sealer.seal()).tree.size).toBe(301)
    await expectOneHistory()
  })

  test('seals nothing when nothing waits', async () => {
    const sealer = await openSealer({ streams: [new Stream('AUDIT')] })
    expect((await sealer.seal()).entries).toBe(1)
    expect(await sealer.seal()).toMatchObject({ entries: 0, tree: { size: 1 } })
    expect(await readdir(join(dir, `${ORIGIN}.meta/seals`))).toHaveLength(1)
  })

  test('a restarted sealer goes on where the last one stopped, reading no log', async () => {
    const audit = new Stream('AUDIT')
    const all = await messages('token-issuer/i1/b1', 0, 700)
    audit.store(...all.slice(0, 650))
    const first = await openSealer({ streams: [audit] })
    while ((await first.seal()).entries > 0);
    audit.store(...all.slice(650))
    const reads: string[] = []
    const store = await DirectoryStore.open(dir)
    const spied: WormStore = Object.assign(Object.create(store) as WormStore, {
      get: async (key: string) => {
        reads.push(key)
        return await store.get(key)
      },
      put: store.put.bind(store),
      list: store.list.bind(store),
      current: store.current.bind(store),
      replace: store.replace.bind(store),
      retain: store.retain.bind(store),
    })
    const second = await openSealer({ streams: [audit], store: spied })
    expect(reads.filter((key) => key.includes('/staging/'))).toHaveLength(1)
    expect(reads.filter((key) => /tile\/entries\/\d{3}$/.test(key))).toEqual([])
    await second.seal()
    await expectExactlyOnce(all)
    await expectOneHistory()
  })
})
