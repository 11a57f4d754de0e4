import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sealKey } from '@writ/audit'
import { DirectoryStore } from '@writ/worm-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LocalFile } from '../local-file.ts'
import { legalHolds } from './legal-holds.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-holds-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))
const at = (store: string) => ({ local: { store } as LocalFile })

test('names the epochs of the region that are held', async () => {
  const store = await DirectoryStore.open(dir)
  expect(await legalHolds(at(`file:${dir}`), 'r-1')).toEqual({ epochs: [] })
  for (const origin of ['log.example/r-1/2026h1', 'log.example/r-1/2026h2', 'log.example/r-2/2026h1'])
    await store.put(sealKey(origin, 1), Buffer.from('seal'), new Date())
  await store.hold(sealKey('log.example/r-1/2026h1', 1), true)
  await store.hold(sealKey('log.example/r-2/2026h1', 1), true)
  expect(await legalHolds(at(`file:${dir}`), 'r-1')).toEqual({ epochs: ['2026h1'] })
})

test('says that nobody could be asked, not that there is none', async () => {
  await writeFile(join(dir, 'file'), '')
  expect(await legalHolds(at(`file:${join(dir, 'file')}`), 'r-1')).toEqual({
    notAsked: expect.stringMatching(/^Nobody knows whether there is a legal hold: /),
  })
  expect(await legalHolds({}, 'r-1')).toBeUndefined()
})
