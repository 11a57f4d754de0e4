import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeFileDurably } from './write-file-durably.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-file-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('replaces a file whole, with mode 0600 unless told otherwise, and leaves nothing beside it', async () => {
  const path = join(dir, 'state')
  await writeFile(path, 'old', { mode: 0o644 })
  await writeFileDurably(path, 'new')
  expect(await readFile(path, 'utf8')).toBe('new')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await writeFileDurably(path, new Uint8Array([1, 2]), { mode: 0o640 })
  expect((await stat(path)).mode & 0o777).toBe(0o640)
  expect(await readdir(dir)).toEqual(['state'])
})

test('keeps the old file and no rubbish when it cannot write the new one', async () => {
  const path = join(dir, 'taken')
  await writeFileDurably(join(dir, 'taken.file'), 'kept')
  await import('node:fs/promises').then(({ mkdir }) => mkdir(path))
  await expect(writeFileDurably(path, 'new')).rejects.toMatchObject({ code: 'unavailable' })
  expect((await readdir(dir)).sort()).toEqual(['taken', 'taken.file'])
  await expect(writeFileDurably(join(dir, 'no', 'such'), 'x')).rejects.toMatchObject({ code: 'unavailable' })
})
