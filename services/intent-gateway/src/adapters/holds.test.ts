import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkpointKey, formatCheckpoint, type NoteSigner, noteSignerOf, originOf } from '@writ/audit'
import type { Authority } from '@writ/authority'
import { generateJwk, signerOf } from '@writ/keys'
import { openStore } from '@writ/worm-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holdsOf } from './holds.ts'

const [DOMAIN, REGION] = ['audit.example', 'r1']
const newSigner = () => noteSignerOf(signerOf(generateJwk('EdDSA')))
const ours = newSigner()
const pinned = [ours.verifier(`${DOMAIN}/${REGION}`)]

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-holds-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function show(signer: NoteSigner, region = REGION): Promise<void> {
  const origin = originOf({ domain: DOMAIN, region }, '2026h2')
  const text = formatCheckpoint({ origin, size: 1, root: new Uint8Array(32), extensions: [] })
  const store = await openStore(`file:${dir}`)
  await store.replace(checkpointKey(origin), Buffer.from(await signer.note(origin, text)), undefined, new Date(0))
}

const holds = (path = dir) => holdsOf(`file:${path}`, { region: REGION } as Authority, pinned)()

test('a store with the log of this region, signed by its pinned key, tells that there is no hold', async () => {
  await show(ours)
  expect(await holds()).toEqual([])
})

test('a directory that is not there tells nothing, and is not made', async () => {
  await expect(holds(join(dir, 'typo'))).rejects.toMatchObject({ code: 'unavailable' })
  expect(await readdir(dir)).toEqual([])
})

test.each<[string, () => Promise<void>]>([
  ['an empty store', async () => undefined],
  ['a store with the log of another key', () => show(newSigner())],
  ['a store with the log of another region', () => show(ours, 'r2')],
])('%s tells nothing', async (_, fill) => {
  await fill()
  await expect(holds()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('legal hold') })
})
