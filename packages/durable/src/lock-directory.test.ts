import { chmod, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDirectory } from './lock-directory.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-lock-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

test('makes the directory for its owner alone', async () => {
  const made = join(dir, 'a', 'b')
  await using _ = await lockDirectory(made)
  expect((await stat(made)).mode & 0o777).toBe(0o700)
})

test('closes an open directory to others', async () => {
  await chmod(dir, 0o755)
  await using _ = await lockDirectory(dir)
  expect((await stat(dir)).mode & 0o777).toBe(0o700)
})

test('is taken once in one process too, by whatever path, and free again when disposed', async () => {
  const alias = join(tmpdir(), `writ-lock-alias-${process.pid}`)
  await symlink(dir, alias)
  try {
    {
      await using _ = await lockDirectory(dir)
      await expect(lockDirectory(dir)).rejects.toMatchObject({ code: 'unavailable' })
      await expect(lockDirectory(alias)).rejects.toMatchObject({ code: 'unavailable' })
    }
    await using _ = await lockDirectory(alias)
  } finally {
    await rm(alias)
  }
})

test('a file in its place is a Fault', async () => {
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(dir, 'file'), '')
  await expect(lockDirectory(join(dir, 'file'))).rejects.toMatchObject({ code: 'unavailable' })
})
