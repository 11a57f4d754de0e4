import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, writeKeyFile } from '@writ/keys'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSession } from './session.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-session-'))
  const enrolment = {
    kind: 'agent',
    id: 'a',
    nats_url: `nats://127.0.0.1:${await closedPort()}`,
    credentials_file: 'nats.creds',
    region: 'r-1',
    trust: { operators: {}, anchors: {}, log_vkeys: [], two_person: [] },
  }
  await writeFile(join(folder, 'enrolment.json'), JSON.stringify(enrolment), { mode: 0o600 })
  await writeFile(join(folder, 'nats.creds'), 'none is asked for', { mode: 0o600 })
  await writeKeyFile(join(folder, 'key.jwk'), generateJwk('ES256'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('a bus that is not reached in time is `unavailable`, and why is its cause', async () => {
  const opening = openSession({ enrolment: folder, connectWithinMs: 100 })
  await expect(opening).rejects.toMatchObject({
    name: 'Fault',
    code: 'unavailable',
    message: expect.stringContaining('100 ms'),
    cause: expect.objectContaining({ name: 'ConnectionError' }),
  })
})

test('who gives it up earlier gets the own reason back', async () => {
  const giveUp = new AbortController()
  const reason = new Error('The person pressed Ctrl-C.')
  const opening = openSession({ enrolment: folder, signal: giveUp.signal, onStatus: () => giveUp.abort(reason) })
  await expect(opening).rejects.toBe(reason)
})
