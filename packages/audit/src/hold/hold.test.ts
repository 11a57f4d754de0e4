import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, publicJwk, signerOf, verifyJws } from '@writ/keys'
import { DirectoryStore, type WormStore } from '@writ/worm-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sealKey } from '../log/log-keys.ts'
import { heldEpochs, readHolds } from './held-epochs.ts'
import { holdKey, signHold } from './hold-record.ts'
import { type SetHold, setHold } from './set-hold.ts'

const NAME = { domain: 'audit.example', region: 'eusc-de-east-1' }
const origin = (epoch: string): string => `${NAME.domain}/${NAME.region}/${epoch}`
const key = generateJwk('ES256')
const signer = signerOf(key)
const LOG = ['checkpoint', 'tile/0/000', 'tile/entries/000.p/7']
const META = ['checkpoints/00000000000000000007', 'seals/000000000001', 'seals/000000000002']

let dir: string
let store: WormStore
let now: Date
const until = new Date('2026-02-01T00:00:00Z')
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-hold-'))
  now = new Date('2026-01-01T00:00:00Z')
  store = await DirectoryStore.open(dir, { now: () => now })
  for (const epoch of ['2025h2', '2026h1']) {
    for (const path of LOG) await store.put(`${origin(epoch)}/${path}`, Buffer.from(path), until)
    for (const path of META) await store.put(`${origin(epoch)}.meta/${path}`, Buffer.from(path), until)
  }
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const objects = (epoch: string): string[] => [
  ...LOG.map((path) => `${origin(epoch)}/${path}`),
  ...META.map((path) => `${origin(epoch)}.meta/${path}`),
]
const set = (action: SetHold['action'], epoch = '2025h2', on: WormStore = store) =>
  setHold({
    store: on,
    origin: origin(epoch),
    action,
    reason: 'case 17/2026',
    operatorId: 'root',
    signer,
    now: () => now,
    retainMs: 190 * 86_400_000,
  })
const epochs = async (): Promise<string[]> => (await heldEpochs(store, NAME)).map(({ epoch }) => epoch)
const heldOf = async (keys: readonly string[]): Promise<boolean[]> =>
  await Promise.all(keys.map((one) => store.held(one)))

test('holds every object of the epoch and its words, and nothing of another epoch', async () => {
  expect(await epochs()).toEqual([])
  expect(await set('hold')).toEqual({ objects: 7, n: 1, said: true })
  expect(new Set(await heldOf([...objects('2025h2'), holdKey(origin('2025h2'), 1)]))).toEqual(new Set([true]))
  expect(new Set(await heldOf(objects('2026h1')))).toEqual(new Set([false]))
  expect(await epochs()).toEqual(['2025h2'])
  now = until
  expect(await store.remove(`${origin('2025h2')}/tile/0/000`)).toBe('retained')
  expect(await store.remove(`${origin('2026h1')}/tile/0/000`)).toBe('removed')
})

test('says who, when and why, signed', async () => {
  await set('hold')
  const { words } = await readHolds(store, origin('2025h2'))
  expect(words).toMatchObject([{ action: 'hold', n: 1, iss: 'root', reason: 'case 17/2026' }])
  for (const { jws } of words) verifyJws(jws, publicJwk(key))
})

test('again, it covers what was written since, and says nothing twice', async () => {
  await set('hold')
  await store.put(`${origin('2025h2')}/tile/0/001`, Buffer.from('new'), until)
  expect(await set('hold')).toEqual({ objects: 8, n: 1, said: false })
  expect(await store.held(`${origin('2025h2')}/tile/0/001`)).toBe(true)
})

test('releases, and holds again', async () => {
  await set('hold')
  expect(await set('release')).toEqual({ objects: 8, n: 2, said: true })
  expect(await epochs()).toEqual([])
  expect(new Set(await heldOf(objects('2025h2')))).toEqual(new Set([false]))
  expect(await set('hold')).toMatchObject({ n: 3, said: true })
  expect(await epochs()).toEqual(['2025h2'])
})

test.each(['hold', 'release'] as const)(
  'an interrupted %s counts as held at every step, and goes on',
  async (action) => {
    if (action === 'release') await set('hold')
    for (let at = 1; ; at++) {
      let calls = 0
      const failing: WormStore = Object.assign(Object.create(store) as WormStore, {
        hold: async (one: string, on: boolean) => {
          if (++calls >= at) throw new Error('interrupted')
          return await store.hold(one, on)
        },
        held: (one: string) => store.held(one),
        get: (one: string) => store.get(one),
        list: (prefix: string) => store.list(prefix),
        put: (...args: Parameters<WormStore['put']>) => store.put(...args),
      })
      const done = await set(action, '2025h2', failing).then(
        () => true,
        () => false,
      )
      if (done) break
      expect(await epochs()).toEqual(['2025h2'])
    }
    expect(await epochs()).toEqual(action === 'hold' ? ['2025h2'] : [])
    expect(new Set(await heldOf(objects('2025h2')))).toEqual(new Set([action === 'hold']))
  },
)

test('a hold that somebody placed in the storage itself counts', async () => {
  await store.hold(sealKey(origin('2026h1'), 1), true)
  expect(await heldEpochs(store, NAME)).toMatchObject([{ epoch: '2026h1', by: 'storage' }])
  expect(await heldEpochs(store, { region: NAME.region })).toMatchObject([{ epoch: '2026h1', by: 'storage' }])
  expect(await heldEpochs(store, { region: 'us-east-1' })).toEqual([])
})

test('a word that cannot be read counts as a hold, until a later one says otherwise', async () => {
  await store.put(holdKey(origin('2026h1'), 1), Buffer.from('garbage'), until)
  await store.put(holdKey(origin('2025h2'), 1), await word('2026h1', 1, 'release'), until)
  expect((await heldEpochs(store, NAME)).map(({ by }) => by)).toEqual(['unreadable word', 'unreadable word'])
  await set('release', '2026h1')
  expect(await epochs()).toEqual(['2025h2'])
})

test('a release that is not believed changes nothing', async () => {
  await store.put(holdKey(origin('2025h2'), 1), await word('2025h2', 1, 'hold'), until)
  await store.put(holdKey(origin('2025h2'), 2), await word('2025h2', 2, 'release'), until)
  expect(await epochs()).toEqual([])
  expect(await heldEpochs(store, NAME, ({ iss }) => iss !== 'root')).toMatchObject([{ by: 'word', word: { n: 1 } }])
})

test('refuses an epoch that is not there, and a reason that is no line', async () => {
  await expect(set('hold', '2024h1')).rejects.toMatchObject({ code: 'malformed' })
  await expect(
    signHold(signer, { action: 'hold', origin: 'x', n: 1, iss: 'root', iat: 1, reason: 'a\nb' }),
  ).rejects.toMatchObject({ code: 'malformed' })
})

async function word(epoch: string, n: number, action: SetHold['action']): Promise<Uint8Array> {
  return await signHold(signer, { action, origin: origin(epoch), n, iss: 'root', iat: 1_767_225_600, reason: 'test' })
}
