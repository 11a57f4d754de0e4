import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FiledRecord, TrustStore } from '@writ/authority'
import { Fault } from '@writ/contracts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GatewayRecorder } from './gateway-recorder.ts'

let stateDir: string
let filed: Map<string, number>
let recorded: string[]
let full: boolean
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'writ-gateways-'))
  filed = new Map()
  recorded = []
  full = false
})
afterEach(() => rm(stateDir, { recursive: true, force: true }))

function open(): Promise<GatewayRecorder> {
  const record = (_: string, id: string) => {
    const version = filed.get(id)
    return version === undefined || version < 0 ? undefined : { id, version, digest: `${id}/${version}` }
  }
  return GatewayRecorder.open({
    trust: { ids: () => [...filed.keys()].sort(), record } as unknown as Pick<TrustStore, 'ids' | 'record'>,
    readSigners: async () => undefined,
    stateDir,
    record: async ({ digest }: FiledRecord<'gateway'>) => {
      if (full) throw new Fault('unavailable', { message: 'no room' })
      recorded.push(digest)
    },
  })
}

test('what the log does not take is recorded later, and what it took not again', async () => {
  filed.set('g1', 1)
  const recorder = await open()
  await recorder.catchUp()
  filed.set('g2', 1)
  full = true
  await expect(recorder.catchUp()).rejects.toMatchObject({ code: 'unavailable' })
  full = false
  await recorder.catchUp()
  expect(recorded).toEqual(['g1/1', 'g2/1'])
})

test('another boot on the same directory records what came since and nothing else', async () => {
  filed.set('g1', 1).set('gone', -1)
  await (await open()).catchUp()
  filed.set('g1', 2).set('g3', 1)
  await (await open()).catchUp()
  expect(recorded).toEqual(['g1/1', 'g1/2', 'g3/1'])
})

test('where the directory’s word cannot be read, everything is recorded again', async () => {
  filed.set('g1', 1)
  await (await open()).catchUp()
  await writeFile(join(stateDir, 'gateways-recorded.json'), '{')
  await (await open()).catchUp()
  expect(recorded).toEqual(['g1/1', 'g1/1'])
})
