import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DESTROYED, isDestroyed, openPseudonyms, SubjectKeys, subjectOf, wrappingKeyOf } from '@writ/audit'
import type { FiledRecord } from '@writ/authority'
import { Fault } from '@writ/contracts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ErasableKeys, SubjectEraser, type SubjectEraserOptions } from './subject-eraser.ts'

const secret = randomBytes(32)
const NOW = Date.UTC(2027, 4, 5)
const QUARTERS = [Date.UTC(2026, 7, 1), Date.UTC(2026, 11, 31), Date.UTC(2027, 1, 1), NOW]

/** What is stored, and a call at which the process dies: nothing of it comes after. */
class Store implements ErasableKeys {
  readonly values = new Map<string, Uint8Array>()
  dieAt = Number.POSITIVE_INFINITY
  calls = 0
  destroyed: string[] = []
  #step(): void {
    this.calls += 1
    if (this.calls >= this.dieAt) throw new Error('killed')
  }
  async get(id: string) {
    this.#step()
    return this.values.get(id)
  }
  async create(id: string, wrapped: Uint8Array) {
    if (this.values.has(id)) return false
    this.values.set(id, wrapped)
    return true
  }
  async destroy(id: string) {
    this.#step()
    this.values.set(id, DESTROYED)
    this.destroyed.push(id)
  }
}

let stateDir: string
let store: Store
let jane: string
let filed: Map<string, number>
let told: string[]
let held: string[]
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'writ-eraser-'))
  store = new Store()
  jane = subjectOf((await openPseudonyms(wrappingKeyOf(secret), 'r1'))('jane'))
  filed = new Map()
  told = []
  held = []
})
afterEach(() => rm(stateDir, { recursive: true, force: true }))

const erasure = (id: string, version: number) =>
  ({ kind: 'subject', id, version, record: { erased: true }, digest: 'd', value: 'v' }) as FiledRecord<'subject'>

function open(over: Partial<SubjectEraserOptions> = {}): Promise<SubjectEraser> {
  return SubjectEraser.open({
    keys: { forget: (subject) => told.push(`forget ${subject === jane ? 'jane' : subject}`) },
    store,
    trust: {
      ids: () => [...filed.keys()],
      record: ((_: string, id: string) => erasure(id, filed.get(id) ?? 0)) as never,
    },
    readRegistry: async () => undefined,
    record: async ({ version }) => {
      told.push(`record ${version}`)
    },
    heldEpochs: async () => held,
    unsettled: () => 0,
    forgetBeside: async () => {
      told.push('files')
    },
    stateDir,
    nowMs: () => NOW,
    ...over,
  })
}

const keysWith = (erasures: number) => SubjectKeys.open(wrappingKeyOf(secret), store, 'r1', () => erasures)

async function fill(user: string, erasures = 0): Promise<void> {
  const keys = await keysWith(erasures)
  for (const quarter of QUARTERS) await keys.keyOf(user, quarter)
}

const left = (of: string) =>
  [...store.values].filter(([kid, value]) => kid.startsWith(of) && !isDestroyed(value)).map(([kid]) => kid)

describe('an erasure', () => {
  test('destroys the keys of every quarter and of nobody else, after it was recorded and before it is remembered as done', async () => {
    await fill('jane')
    await fill('joe')
    const others = [...store.values.keys()].filter((kid) => !kid.startsWith(jane))
    const record = async () => {
      expect(store.destroyed).toEqual([])
      told.push('record')
    }
    await (await open({ record })).erase(erasure(jane, 1))
    expect(left(jane)).toEqual([])
    expect(left('')).toEqual(others)
    expect(told).toEqual(['record', 'forget jane', 'files'])
    expect(JSON.parse(await readFile(join(stateDir, 'subjects-erased.json'), 'utf8'))).toEqual({ [jane]: 1 })
  })

  test('destroys nothing where it cannot be recorded', async () => {
    await fill('jane')
    const record = () => Promise.reject(new Fault('unavailable', { message: 'no' }))
    await expect((await open({ record })).erase(erasure(jane, 1))).rejects.toMatchObject({ code: 'unavailable' })
    expect(left(jane)).toHaveLength(QUARTERS.length)
  })

  test('leaves a mark, so that a replica that has not heard of it makes no key of the old name', async () => {
    await (await open()).erase(erasure(jane, 1))
    const behind = await keysWith(0)
    await expect(behind.keyOf('jane', NOW)).rejects.toMatchObject({ code: 'unavailable' })
    const { kid } = await (await keysWith(1)).keyOf('jane', NOW)
    expect(kid).toBe(`${jane}-2027q2-1`)
  })

  test('done again leaves the keys that were made after it; the next one takes those too', async () => {
    await fill('jane')
    const eraser = await open()
    await eraser.erase(erasure(jane, 1))
    await fill('jane', 1)
    await eraser.erase(erasure(jane, 1))
    expect(left(jane)).toHaveLength(QUARTERS.length)
    await eraser.erase(erasure(jane, 2))
    expect(left(jane)).toEqual([])
  })

  test('that was killed at any step is completed by whoever starts next, with or without the state directory', async () => {
    await fill('jane')
    const values = new Map(store.values)
    store.calls = 0
    await (await open()).erase(erasure(jane, 1))
    const steps = store.calls
    filed.set(jane, 1)
    for (let dieAt = 1; dieAt <= steps; dieAt++) {
      Object.assign(store, { calls: 0, dieAt })
      store.values.clear()
      for (const [kid, value] of values) store.values.set(kid, value)
      await rm(join(stateDir, 'subjects-erased.json'), { force: true })
      await expect((await open()).erase(erasure(jane, 1))).rejects.toThrow('killed')
      store.dieAt = Number.POSITIVE_INFINITY
      await (await open()).catchUp()
      expect(left(jane), `killed at ${dieAt}`).toEqual([])
    }
  })

  test('is carried out once by an instance, also after a restart', async () => {
    await fill('jane')
    filed.set(jane, 1)
    const eraser = await open()
    await eraser.catchUp()
    await eraser.catchUp()
    await (await open()).catchUp()
    expect(told.filter((what) => what === 'record 1')).toHaveLength(1)
  })

  test('waits for a hold that was placed after it was filed, also after a restart, and keeps no other waiting', async () => {
    await fill('jane')
    const joe = subjectOf((await openPseudonyms(wrappingKeyOf(secret), 'r1'))('joe'))
    filed.set(jane, 1).set(joe, 1)
    held = ['2026h2']
    for (const eraser of [await open(), await open()]) {
      await expect(eraser.catchUp()).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('2026h2'),
      })
      expect(left(jane)).toHaveLength(QUARTERS.length)
    }
    expect(JSON.parse(await readFile(join(stateDir, 'subjects-erased.json'), 'utf8'))).toEqual({ [joe]: 1 })
    const unknown = () => Promise.reject(new Fault('unavailable', { message: 'no store' }))
    await expect((await open({ heldEpochs: unknown })).catchUp()).rejects.toMatchObject({ code: 'unavailable' })
    expect(left(jane)).toHaveLength(QUARTERS.length)
    held = []
    await (await open()).catchUp()
    expect(left(jane)).toEqual([])
  })

  test('whose mark cannot be read back is not called done', async () => {
    await fill('jane')
    store.destroy = async () => undefined
    await expect((await open()).erase(erasure(jane, 1))).rejects.toMatchObject({ code: 'unavailable' })
    expect(told).toEqual(['record 1'])
  })
})

describe('before an erasure is filed', () => {
  test('a legal hold on an epoch of any of the keys is a no that names it; one of another time is none', async () => {
    await fill('jane')
    const eraser = await open()
    for (const epochs of [['2026h2'], ['2027h1'], ['2024h1', '2027h1'], ['2027h2']]) {
      held = epochs
      await expect(eraser.assertMay(jane, 1), epochs.join()).rejects.toMatchObject({
        code: 'constraint_failed',
        message: expect.stringContaining(epochs.at(-1) ?? ''),
      })
    }
    // Documents of the end of a half-year are recorded in the next one, not the other way.
    held = ['2026h1']
    await eraser.assertMay(jane, 1)
    held = []
    await eraser.erase(erasure(jane, 1))
    held = ['2027h1']
    await eraser.assertMay(jane, 2)
  })

  test('where holds cannot be told, or something is under way, it has to wait', async () => {
    const unknown = () => Promise.reject(new Fault('unavailable', { message: 'no store' }))
    await expect((await open({ heldEpochs: unknown })).assertMay(jane, 1)).rejects.toMatchObject({
      code: 'unavailable',
    })
    await expect((await open({ unsettled: () => 2 })).assertMay(jane, 1)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('2 intents'),
    })
  })
})
