import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLogger } from './logger.ts'
import { RefusedFiles } from './refused-files.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-refused-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))
const log = createLogger({ service: 's', level: 'silent' })

test('keeps the exact bytes under their digest', async () => {
  const digest = 'A'.repeat(43)
  await new RefusedFiles(dir, log).keep(digest, Buffer.from([0, 1, 2]))
  expect(await readFile(join(dir, 'refused', digest))).toEqual(Buffer.from([0, 1, 2]))
})

test('keeps at most 1,000, follows no path that somebody else wrote, and never fails its caller', async () => {
  const files = new RefusedFiles(dir, log)
  const warned = vi.spyOn(log, 'warn')
  await files.keep('../../etc/passwd', Buffer.from('x'))
  expect(warned).toHaveBeenCalledOnce()
  await mkdir(join(dir, 'refused'))
  for (let n = 0; n < 1000; n++) await writeFile(join(dir, 'refused', `${n}`), '')
  await files.keep('B'.repeat(43), Buffer.from('x'))
  expect(await readdir(join(dir, 'refused'))).toHaveLength(1000)
  await new RefusedFiles(join(dir, 'refused', '1'), log).keep('C'.repeat(43), Buffer.from('x'))
  expect(warned).toHaveBeenCalledTimes(3)
})
