import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DirectoryStore } from './directory-store.ts'
import type { WormStore } from './store.ts'

// One suite over every adapter. Another adapter is another row: two ways to open the same empty store, and what to tidy afterwards.
interface Opened {
  readonly store: WormStore
  /** The same store, opened as another process would. */
  readonly second: WormStore
  readonly close: () => Promise<void>
}
let now = new Date('2026-01-01T00:00:00Z')
const ADAPTERS: readonly { readonly name: string; readonly open: () => Promise<Opened> }[] = [
  {
    name: 'a directory',
    open: async () => {
      const dir = await mkdtemp(join(tmpdir(), 'writ-store-'))
      const [store, second] = [
        await DirectoryStore.open(dir, { now: () => now }),
        await DirectoryStore.open(dir, { now: () => now }),
      ]
      return { store, second, close: () => rm(dir, { recursive: true, force: true }) }
    },
  },
]

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
const soon = new Date('2026-02-01T00:00:00Z')
const later = new Date('2026-03-01T00:00:00Z')
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe.each(ADAPTERS)('a store in $name', ({ open }) => {
  let opened: Opened
  let store: WormStore
  beforeEach(async () => {
    now = new Date('2026-01-01T00:00:00Z')
    opened = await open()
    store = opened.store
  })
  afterEach(() => opened.close())

  test('refuses other bytes under a used key and keeps the first', async () => {
    expect(await store.put('log/a', bytes('first'), soon)).toBe('stored')
    expect(await store.put('log/a', bytes('other'), later)).toBe('conflict')
    expect(await store.put('log/a', bytes('first and more'), later)).toBe('conflict')
    expect(text(await opened.second.get('log/a'))).toBe('first')
  })

  test('takes the same bytes again as success', async () => {
    expect(await store.put('log/a', bytes('same'), soon)).toBe('stored')
    expect(await opened.second.put('log/a', bytes('same'), soon)).toBe('stored')
  })

  test('lets exactly one of many racing writers with different bytes win', async () => {
    for (let round = 0; round < 10; round++) {
      const writers = Array.from({ length: 16 }, (_, at) => (at % 2 ? store : opened.second))
      const outcomes = await Promise.all(
        writers.map((writer, at) => writer.put(`seals/${round}`, bytes(`writer ${at}`), soon)),
      )
      const winners = outcomes.flatMap((outcome, at) => (outcome === 'stored' ? [at] : []))
      expect(winners).toHaveLength(1)
      expect(text(await store.get(`seals/${round}`))).toBe(`writer ${winners[0]}`)
    }
  })

  test('lets all of many racing writers with the same bytes succeed', async () => {
    const writers = Array.from({ length: 16 }, (_, at) => (at % 2 ? store : opened.second))
    const outcomes = await Promise.all(writers.map((writer) => writer.put('tile/0/000', bytes('tile'), soon)))
    expect(new Set(outcomes)).toEqual(new Set(['stored']))
  })

  test('answers undefined for what is not there', async () => {
    expect(await store.get('log/none')).toBeUndefined()
    expect(await store.current('log/none')).toBeUndefined()
    expect(await all(store.versions('log/none'))).toEqual([])
    expect(await all(store.list('none/'))).toEqual([])
    expect(await store.retain('log/none', later)).toBe(false)
    expect(await store.remove('log/none')).toBe('missing')
  })

  test('keeps empty objects and large ones whole', async () => {
    const large = Buffer.alloc(5_000_000, 7)
    await store.put('empty', bytes(''), soon)
    await store.put('large', large, soon)
    expect(text(await store.get('empty'))).toBe('')
    expect(Buffer.compare((await store.get('large')) as Uint8Array, large)).toBe(0)
  })

  test('lists names under a prefix in byte order, folders marked, nothing of its own', async () => {
    for (const key of [
      'log/tile/0/000',
      'log/tile/0/000.p/112',
      'log/tile/entries/000',
      'log/b',
      'log/a',
      'log.meta/seals/1',
    ])
      await store.put(key, bytes(key), soon)
    await store.replace('log/checkpoint', bytes('1'), undefined, soon)
    expect(await all(store.list('log/'))).toEqual(['a', 'b', 'checkpoint', 'tile/'])
    expect(await all(store.list('log/tile/0/'))).toEqual(['000', '000.p/'])
    expect(await all(store.list(''))).toEqual(['log.meta/', 'log/'])
  })

  test('replaces only what is expected and keeps every version', async () => {
    expect(await store.replace('log/checkpoint', bytes('1'), undefined, soon)).toBe('replaced')
    expect(await opened.second.replace('log/checkpoint', bytes('1 too'), undefined, soon)).toBe('conflict')
    const first = await opened.second.current('log/checkpoint')
    expect(await opened.second.replace('log/checkpoint', bytes('2'), first?.etag, soon)).toBe('replaced')
    expect(await store.replace('log/checkpoint', bytes('2 too'), first?.etag, soon)).toBe('conflict')
    expect(await store.replace('log/checkpoint', bytes('2 too'), undefined, soon)).toBe('conflict')
    expect(text((await store.current('log/checkpoint'))?.bytes)).toBe('2')
    expect((await all(store.versions('log/checkpoint'))).map(text)).toEqual(['1', '2'])
  })

  test('lets exactly one of many racing replacers win, a hundred times over', async () => {
    for (let round = 0; round < 100; round++) {
      const etag = (await store.current('log/checkpoint'))?.etag
      const writers = [store, opened.second, store, opened.second]
      const outcomes = await Promise.all(
        writers.map((writer, at) => writer.replace('log/checkpoint', bytes(`${round}/${at}`), etag, soon)),
      )
      const winner = outcomes.indexOf('replaced')
      expect(outcomes.filter((outcome) => outcome === 'replaced')).toHaveLength(1)
      expect(text((await opened.second.current('log/checkpoint'))?.bytes)).toBe(`${round}/${winner}`)
    }
    expect(await all(store.versions('log/checkpoint'))).toHaveLength(100)
  })

  test('removes nothing before its retention has ended', async () => {
    await store.put('log/a', bytes('kept'), soon)
    expect(await store.remove('log/a')).toBe('retained')
    now = new Date(soon.getTime() - 1)
    expect(await store.remove('log/a')).toBe('retained')
    now = soon
    expect(await store.remove('log/a')).toBe('removed')
    expect(await store.get('log/a')).toBeUndefined()
  })

  test('prolongs retention and never shortens it', async () => {
    await store.put('log/a', bytes('kept'), soon)
    expect(await store.retain('log/a', later)).toBe(true)
    expect(await store.retain('log/a', soon)).toBe(true)
    now = new Date(later.getTime() - 1)
    expect(await store.remove('log/a')).toBe('retained')
    await store.put('log/b', bytes('kept'), later)
    await store.put('log/b', bytes('kept'), new Date('2026-04-01T00:00:00Z'))
    now = later
    expect(await store.remove('log/a')).toBe('removed')
    expect(await store.remove('log/b')).toBe('retained')
  })

  test.each([
    '',
    '/',
    '/a',
    'a/',
    'a//b',
    '.',
    '..',
    'a/../b',
    '.versions/a',
    'a/.b',
    'a b',
    'a\0b',
    'a\\b',
    'ü',
    'a'.repeat(1025),
    'a'.repeat(256),
  ])('refuses %j as a key everywhere', async (key) => {
    await expect(store.put(key, bytes('x'), soon)).rejects.toThrow(RangeError)
    await expect(store.get(key)).rejects.toThrow(RangeError)
    await expect(store.replace(key, bytes('x'), undefined, soon)).rejects.toThrow(RangeError)
    await expect(store.remove(key)).rejects.toThrow(RangeError)
  })
})
