import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WormStore } from '../store.ts'

// One suite over every adapter. An adapter says how the same empty store is opened twice, and what to tidy afterwards.

export interface OpenedStore {
  readonly store: WormStore
  /** The same store, opened as another process would. */
  readonly second: WormStore
  /** By the clock that retention is compared with. */
  now(): Date
  /** Moves that clock; absent: it is the server's own, and the suite waits for short retentions to end. */
  readonly setNow?: (to: Date) => void
  close(): Promise<void>
}

export interface StoreAdapter {
  readonly name: string
  open(): Promise<OpenedStore>
  /** How often writers race; 100 unless told otherwise. */
  readonly rounds?: number
}

const DAY_MS = 86_400_000
/** Where the clock is real. Longer ones are tried where the machine is so slow that the shorter ended before it was looked at. */
const SHORT_MS = [2000, 10_000, 60_000]
const WAIT_MS = 90_000

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString()
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

export function describeStore({ name, open, rounds = 100 }: StoreAdapter): void {
  describe(`a store in ${name}`, { timeout: 180_000 }, () => promises(open, rounds))
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: it is a list of tests
function promises(open: StoreAdapter['open'], rounds: number): void {
  let opened: OpenedStore
  let store: WormStore
  let soon: Date
  let later: Date
  beforeEach(async () => {
    opened = await open()
    store = opened.store
    soon = new Date(opened.now().getTime() + 31 * DAY_MS)
    later = new Date(opened.now().getTime() + 59 * DAY_MS)
  })
  afterEach(() => opened.close())
  const passed = async (end: Date): Promise<void> => {
    opened.setNow?.(end)
    await expect.poll(() => opened.now().getTime(), { timeout: WAIT_MS }).toBeGreaterThanOrEqual(end.getTime())
  }
  /** An object whose retention ends where the suite can see it end, after `look` saw it retained. */
  const shortlyKept = async (
    key: string,
    look: (key: string) => Promise<void>,
  ): Promise<{ key: string; end: Date }> => {
    for (const ms of SHORT_MS) {
      const end = new Date(opened.now().getTime() + ms)
      const of = `${key}-${ms}`
      await store.put(of, bytes('kept'), end)
      const seen = await look(of).then(
        () => true,
        (error: unknown) => error,
      )
      if (opened.now() >= end) continue
      if (seen !== true) throw seen
      return { key: of, end }
    }
    throw new Error('the machine is too slow to see a retention end')
  }

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
    for (let round = 0; round < Math.min(rounds, 10); round++) {
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
    expect(await store.hold('log/none', true)).toBe(false)
    expect(await store.held('log/none')).toBe(false)
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

  test('lets exactly one of many racing replacers win, many times over', async () => {
    for (let round = 0; round < rounds; round++) {
      const etag = (await store.current('log/checkpoint'))?.etag
      const writers = [store, opened.second, store, opened.second]
      const outcomes = await Promise.all(
        writers.map((writer, at) => writer.replace('log/checkpoint', bytes(`${round}/${at}`), etag, soon)),
      )
      const winner = outcomes.indexOf('replaced')
      expect(outcomes.filter((outcome) => outcome === 'replaced')).toHaveLength(1)
      expect(text((await opened.second.current('log/checkpoint'))?.bytes)).toBe(`${round}/${winner}`)
    }
    expect(await all(store.versions('log/checkpoint'))).toHaveLength(rounds)
  })

  test('removes nothing before its retention has ended', async () => {
    await store.put('log/long', bytes('kept'), soon)
    expect(await store.remove('log/long')).toBe('retained')
    const { key, end } = await shortlyKept('log/a', async (one) => {
      expect(await store.remove(one)).toBe('retained')
    })
    opened.setNow?.(new Date(end.getTime() - 1))
    if (opened.setNow !== undefined) expect(await store.remove(key)).toBe('retained')
    await passed(end)
    await expect.poll(() => store.remove(key), { timeout: WAIT_MS }).toBe('removed')
    expect(await store.get(key)).toBeUndefined()
    expect(await opened.second.get(key)).toBeUndefined()
    expect(await store.remove('log/long')).toBe('retained')
  })

  test('takes other bytes under a key whose object was removed', async () => {
    const { key, end } = await shortlyKept('log/a', async (one) => expect(text(await store.get(one))).toBe('kept'))
    await opened.second.get(key)
    await passed(end)
    await expect.poll(() => store.remove(key), { timeout: WAIT_MS }).toBe('removed')
    expect(await store.put(key, bytes('again'), later)).toBe('stored')
    expect(text(await opened.second.get(key))).toBe('again')
    expect(await opened.second.put(key, bytes('other'), later)).toBe('conflict')
  })

  test('prolongs retention and never shortens it', async () => {
    const { key, end } = await shortlyKept('log/a', async (one) => expect(await store.retain(one, soon)).toBe(true))
    expect(await store.retain(key, end)).toBe(true)
    const again = await shortlyKept('log/b', async (one) => {
      expect(await opened.second.put(one, bytes('kept'), soon)).toBe('stored')
      expect(await opened.second.put(one, bytes('other'), later)).toBe('conflict')
    })
    await passed(new Date(Math.max(again.end.getTime(), end.getTime())))
    expect(await store.remove(key)).toBe('retained')
    expect(await store.remove(again.key)).toBe('retained')
  })

  test('removes nothing under legal hold, whatever its retention, until the hold is lifted', async () => {
    const { key, end } = await shortlyKept('log/a', async (one) => {
      expect(await store.hold(one, true)).toBe(true)
    })
    expect(await opened.second.hold(key, true)).toBe(true)
    expect(await opened.second.held(key)).toBe(true)
    await passed(end)
    expect(await opened.second.remove(key)).toBe('retained')
    expect(text(await store.get(key))).toBe('kept')
    expect(await opened.second.hold(key, false)).toBe(true)
    expect(await store.hold(key, false)).toBe(true)
    expect(await store.held(key)).toBe(false)
    await expect.poll(() => store.remove(key), { timeout: WAIT_MS }).toBe('removed')
  })

  test('holds a replaced object, and goes on replacing it', async () => {
    await store.replace('log/checkpoint', bytes('1'), undefined, soon)
    expect(await store.hold('log/checkpoint', true)).toBe(true)
    const etag = (await store.current('log/checkpoint'))?.etag
    expect(await store.replace('log/checkpoint', bytes('2'), etag, soon)).toBe('replaced')
    expect(await store.held('log/checkpoint')).toBe(true)
    expect(await store.hold('log/checkpoint', true)).toBe(true)
    expect(await all(store.list('log/'))).toEqual(['checkpoint'])
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
    await expect(store.hold(key, true)).rejects.toThrow(RangeError)
    await expect(store.held(key)).rejects.toThrow(RangeError)
  })
}
