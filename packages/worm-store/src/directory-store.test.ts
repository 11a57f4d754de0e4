import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DirectoryStore } from './directory-store.ts'
import { openStore } from './open-store.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-dir-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))
const until = new Date('2030-01-01T00:00:00Z')
const code = (name: string) => expect.objectContaining({ code: name })

test('writes read-only files under their own keys, retained until their modification time', async () => {
  const store = await DirectoryStore.open(dir)
  await store.put('log/tile/0/000', Buffer.from('tile'), until)
  const found = await stat(join(dir, 'log/tile/0/000'))
  expect(found.mode & 0o777).toBe(0o444)
  expect(found.mtime).toEqual(until)
  expect(await readdir(join(dir, '.incoming'))).toEqual([])
})

test('shows the newest version under the key itself, read-only, for tools that know nothing of versions', async () => {
  const store = await DirectoryStore.open(dir)
  await store.replace('log/checkpoint', Buffer.from('1'), undefined, until)
  await store.replace('log/checkpoint', Buffer.from('2'), (await store.current('log/checkpoint'))?.etag, until)
  expect(await readFile(join(dir, 'log/checkpoint'), 'utf8')).toBe('2')
  expect((await stat(join(dir, 'log/checkpoint'))).mode & 0o777).toBe(0o444)
})

test('shows a version again whose writer was killed before showing it', async () => {
  const store = await DirectoryStore.open(dir)
  await store.replace('log/checkpoint', Buffer.from('1'), undefined, until)
  await writeFile(join(dir, '.versions/log/checkpoint/000000000002'), '2', { mode: 0o444 })
  const again = await DirectoryStore.open(dir)
  expect(Buffer.from((await again.current('log/checkpoint'))?.bytes ?? '').toString()).toBe('2')
  expect(await readFile(join(dir, 'log/checkpoint'), 'utf8')).toBe('2')
})

test('reads a copy that was made without the versions, and goes on from it', async () => {
  const store = await DirectoryStore.open(dir)
  await store.replace('log/checkpoint', Buffer.from('1'), undefined, until)
  await rm(join(dir, '.versions'), { recursive: true })
  const copy = await DirectoryStore.open(dir)
  const shown = await copy.current('log/checkpoint')
  expect(Buffer.from(shown?.bytes ?? '').toString()).toBe('1')
  expect(await copy.replace('log/checkpoint', Buffer.from('2'), shown?.etag, until)).toBe('replaced')
  expect(await readFile(join(dir, 'log/checkpoint'), 'utf8')).toBe('2')
})

test('a file that was cut short outside the store is a conflict, never completed', async () => {
  const store = await DirectoryStore.open(dir)
  await store.put('log/a', Buffer.from('whole'), until)
  await chmod(join(dir, 'log/a'), 0o600)
  await writeFile(join(dir, 'log/a'), 'who')
  expect(await store.put('log/a', Buffer.from('whole'), until)).toBe('conflict')
})

test('a store that cannot be written is unavailable', async () => {
  const store = await DirectoryStore.open(dir)
  await writeFile(join(dir, 'log'), 'a file where a folder should be')
  await expect(store.put('log/a', Buffer.from('x'), until)).rejects.toEqual(code('unavailable'))
  await expect(DirectoryStore.open(join(dir, 'log'))).rejects.toEqual(code('unavailable'))
})

test('is named file:<dir>; other names are refused with what to write instead', async () => {
  expect((await openStore(`file:${dir}`)).name).toBe(`file:${dir}`)
  expect((await openStore(`file://${dir}`)).name).toBe(`file:${dir}`)
  for (const url of ['', 'file:', dir, 'http://x'])
    await expect(openStore(url)).rejects.toThrow('A store is named file:<dir> or s3://<bucket>/<prefix>')
})
