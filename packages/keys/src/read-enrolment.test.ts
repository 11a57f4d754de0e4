import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCredentials, readEnrolment } from './read-enrolment.ts'

const CONTENT = {
  kind: 'agent',
  id: 'a',
  nats_url: 'nats://127.0.0.1:1',
  credentials_file: 'nats.creds',
  region: 'r-1',
  trust: { operators: {}, anchors: {}, log_vkeys: [], two_person: [] },
}

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-enrolment-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function put(content: unknown, mode = 0o600): Promise<string> {
  const file = join(folder, 'enrolment.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  await chmod(file, mode)
  return file
}

test('reads a package by its folder or its file, and says where its credentials are', async () => {
  const file = await put(CONTENT)
  const expected = { ...CONTENT, folder, credentials_file: join(folder, 'nats.creds') }
  expect([await readEnrolment(folder), await readEnrolment(file)]).toEqual([expected, expected])
  await put({ ...CONTENT, credentials_file: '/elsewhere/nats.creds' })
  expect(await readEnrolment(folder)).toMatchObject({ credentials_file: '/elsewhere/nats.creds' })
})

test('refuses a package that others may write: its pins would be theirs', async () => {
  for (const mode of [0o622, 0o620, 0o602]) {
    await put(CONTENT, mode)
    await expect(readEnrolment(folder), mode.toString(8)).rejects.toMatchObject({ code: 'unavailable' })
  }
  // Nothing in it is secret.
  await put(CONTENT, 0o644)
  expect(await readEnrolment(folder)).toMatchObject({ id: 'a' })
})

test('refuses what is no package, and tells it from one that is not there', async () => {
  await expect(readEnrolment(folder)).rejects.toMatchObject({ code: 'unavailable' })
  for (const content of ['{"kind":', '[]', { ...CONTENT, trust: undefined }, { ...CONTENT, id: '../x' }]) {
    await put(content)
    await expect(readEnrolment(folder), JSON.stringify(content)).rejects.toMatchObject({ code: 'malformed' })
  }
})

test('refuses credentials that others may read, or that are not there', async () => {
  await put(CONTENT)
  const enrolment = await readEnrolment(folder)
  await expect(readCredentials(enrolment)).rejects.toMatchObject({ code: 'unavailable' })
  await writeFile(enrolment.credentials_file, 'creds')
  for (const mode of [0o644, 0o640, 0o604]) {
    await chmod(enrolment.credentials_file, mode)
    await expect(readCredentials(enrolment), mode.toString(8)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('0600'),
    })
  }
  await chmod(enrolment.credentials_file, 0o400)
  expect(await readCredentials(enrolment)).toBe('creds')
})
