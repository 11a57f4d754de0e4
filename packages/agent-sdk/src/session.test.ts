import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, writeKeyFile } from '@writ/keys'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { REGION, startTestPlane } from '../../bus/src/testing/test-plane.ts'
import { connectAgent } from './agent.ts'
import { openSession } from './session.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'writ-session-'))
  await writeKeyFile(join(folder, 'key.jwk'), generateJwk('ES256'))
  await enrolled({ nats_url: `nats://127.0.0.1:${await closedPort()}` })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The folder becomes the package of somebody. */
async function enrolled(who: { nats_url: string; kind?: string; region?: string }, credentials = 'none is asked for') {
  const trust = { operators: {}, anchors: {}, log_vkeys: [], two_person: [] }
  const enrolment = { kind: 'agent', id: 'a', credentials_file: 'nats.creds', region: 'r-1', trust, ...who }
  await writeFile(join(folder, 'enrolment.json'), JSON.stringify(enrolment), { mode: 0o600 })
  await writeFile(join(folder, 'nats.creds'), credentials, { mode: 0o600 })
}

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

test('an agent’s connection is closed when what it needs of it is refused', async () => {
  const plane = await startTestPlane(process.env)
  try {
    // A login that may not hear this agent's statuses.
    await enrolled({ nats_url: plane.url, region: REGION }, await plane.credentials('agent', 'somebody-else'))
    const statuses: string[] = []
    const connecting = connectAgent({ enrolment: folder, onStatus: ({ type }) => statuses.push(type) })
    await expect(connecting).rejects.toMatchObject({ name: 'Fault' })
    expect(statuses).toContain('connected')
    expect(statuses.at(-1)).toBe('closed')
  } finally {
    await plane.stop()
  }
}, 60_000)

test('a package that is no agent’s is `wrong_role`, before anything is connected', async () => {
  for (const kind of ['operator', 'approver', 'gateway']) {
    await enrolled({ nats_url: `nats://127.0.0.1:${await closedPort()}`, kind })
    const statuses: string[] = []
    const connecting = connectAgent({ enrolment: folder, onStatus: ({ type }) => statuses.push(type) })
    await expect(connecting).rejects.toMatchObject({
      name: 'Fault',
      code: 'wrong_role',
      message: expect.stringContaining(`${kind} a`),
    })
    expect(statuses).toEqual([])
  }
})
