import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openLocalStore } from './local-store.ts'
import { type LocalPaths, localPaths } from './paths.ts'

let home: string
let paths: LocalPaths
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'writ-local-store-'))
  paths = localPaths(home)
})
afterEach(() => rm(home, { recursive: true, force: true }))
const open = async (env: Record<string, string> = {}) => {
  const { openReader: _, ...store } = await openLocalStore(paths, { AWS_REGION: 'eusc-de-east-1', ...env })
  return store
}
const own = () => ({ url: `file:${paths.store}`, dir: paths.store, settings: { WRIT_STORE_UNPROVEN: 'local-stack' } })

test('is the plane’s own folder unless told otherwise', async () => {
  expect(await open()).toEqual(own())
  expect(await open({ WRIT_STORE: '' })).toEqual(own())
  expect(await open({ WRIT_STORE: `file:${relative(process.cwd(), paths.store)}` })).toEqual(own())
})

test('is the bucket that WRIT_STORE names, with what audit-sink must be told, and no word for a store that is not proven', async () => {
  vi.stubEnv('AWS_REGION', 'eusc-de-east-1')
  const settings = { WRIT_RETENTION_REGIME: 'one-year', WRIT_RETENTION_DAYS: '366' }
  expect(await open({ WRIT_STORE: 's3://evidence/plane-1/', ...settings, OTHER: 'x' })).toEqual({
    url: 's3://evidence/plane-1',
    settings,
  })
  // It is remembered.
  expect(await open()).toEqual({ url: 's3://evidence/plane-1', settings: {} })
  vi.unstubAllEnvs()
})

test('a log does not move', async () => {
  vi.stubEnv('AWS_REGION', 'eusc-de-east-1')
  const moved = expect.objectContaining({ code: 'malformed', message: expect.stringContaining('does not move') })
  await open({ WRIT_STORE: 's3://evidence/plane-1' })
  for (const WRIT_STORE of ['s3://evidence/plane-2', own().url, 'file:/elsewhere'])
    await expect(open({ WRIT_STORE })).rejects.toEqual(moved)
  expect(await open({ WRIT_STORE: 's3://evidence/plane-1' })).toMatchObject({ url: 's3://evidence/plane-1' })
  vi.unstubAllEnvs()
})

test('a plane that began in its own folder goes on there', async () => {
  await mkdir(join(paths.store, '.incoming'), { recursive: true })
  await open({ WRIT_STORE: `file:${join(home, 'other')}` })
  await rm(paths.storeUrl)
  await mkdir(join(paths.store, 'writ.local'))
  await expect(open({ WRIT_STORE: `file:${join(home, 'other')}` })).rejects.toThrow('does not move')
  expect(await open()).toEqual(own())
})

test('what names no store is refused', async () => {
  for (const WRIT_STORE of ['/dir', 's3://', 's3://Evidence/x', 'https://bucket'])
    await expect(open({ WRIT_STORE })).rejects.toMatchObject({ code: 'malformed' })
})
