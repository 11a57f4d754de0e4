import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateJwk, publicJwk } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gradeClock } from './check-clock.ts'
import { checkAllPrivate, gradeMode } from './check-files.ts'
import { checkNode, checkTool } from './check-machine.ts'
import { checkPackage, gradeLogin, parseLogin } from './check-package.ts'
import { comparePins } from './check-plane.ts'
import { checkPort, portOf } from './check-ports.ts'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-doctor-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

describe('the machine', () => {
  test('wants Node 20.20 or later', () => {
    expect(['20.20.0', '24.1.0', '20.19.9', '18.20.0'].map((version) => checkNode(version).grade)).toEqual([
      'ok',
      'ok',
      'fail',
      'fail',
    ])
  })
  test('a tool is found in PATH; one that is too old, or missing, is said so', async () => {
    const tool = join(dir, 'nats-server')
    const env = { PATH: dir, HOME: dir }
    expect(await checkTool('nats-server', env)).toMatchObject({
      grade: 'warn',
      found: expect.stringContaining('Not installed'),
      mend: expect.stringContaining('npm start'),
    })
    for (const [version, grade] of [
      ['2.15.2', 'ok'],
      ['2.12.0', 'ok'],
      ['2.11.9', 'warn'],
    ] as const) {
      await writeFile(tool, `#!/bin/sh\necho "nats-server: v${version}"\n`, { mode: 0o700 })
      expect(await checkTool('nats-server', env)).toMatchObject({ grade })
    }
    expect(await checkTool('nats-server', { ...env, WRIT_NATS_SERVER: join(dir, 'none') })).toMatchObject({
      grade: 'fail',
    })
  })
})

describe('files', () => {
  test('secrets that others may read or write are a failure, with the command that mends it', () => {
    expect(gradeMode('m', '/k', 0o100600, false)).toMatchObject({ grade: 'ok' })
    for (const mode of [0o640, 0o604, 0o622])
      expect(gradeMode('m', '/k', mode, false)).toMatchObject({ grade: 'fail', mend: 'chmod 600 /k' })
    expect(gradeMode('m', '/d', 0o755, true)).toMatchObject({ grade: 'warn', mend: 'chmod 700 /d' })
    expect(gradeMode('m', '/d', 0o777, true)).toMatchObject({ grade: 'fail' })
  })
  test('a whole folder is one line, or one for each file that is open', async () => {
    const folder = await mkdtemp(join(dir, 'keys-'))
    for (const name of ['a', 'b']) await writeFile(join(folder, name), 'x', { mode: 0o600 })
    expect(await checkAllPrivate('m', folder)).toMatchObject([
      { grade: 'ok', found: expect.stringContaining('2 files') },
    ])
    await chmod(join(folder, 'b'), 0o644)
    expect(await checkAllPrivate('m', folder)).toMatchObject([
      { grade: 'fail', mend: `chmod 600 ${join(folder, 'b')}` },
    ])
  })
})

describe('an enrolment package', () => {
  const jwt = (payload: object) =>
    `-----BEGIN NATS USER JWT-----\n${['e30', Buffer.from(JSON.stringify(payload)).toString('base64url'), 'sig'].join('.')}\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\nSUSECRETSECRET\n------END USER NKEY SEED------\n`

  test('a login of somebody else, or one that expired, is a failure', () => {
    expect(gradeLogin({ name: 'agent_a', user: 'U' }, 'agent', 'a', 100, 'm').grade).toBe('ok')
    expect(gradeLogin({ name: 'agent_b', user: 'U' }, 'agent', 'a', 100, 'm').grade).toBe('fail')
    expect(gradeLogin({ name: 'agent_a', user: 'U', exp: 100 }, 'agent', 'a', 100, 'm').grade).toBe('fail')
  })
  test('its login is read without its seed', () => {
    expect(parseLogin(jwt({ name: 'agent_a', sub: 'UABC' }))).toEqual({ name: 'agent_a', user: 'UABC' })
    expect(parseLogin('nonsense')).toBeUndefined()
    expect(parseLogin(jwt({ name: 7 }))).toBeUndefined()
  })
  test('is looked at by its files alone, and no secret is shown', async () => {
    const folder = await mkdtemp(join(dir, 'package-'))
    await chmod(folder, 0o700)
    const secret = generateJwk('ES256')
    const trust = { operators: { root: publicJwk(secret) }, anchors: {}, log_vkeys: [], two_person: [] }
    const enrolment = {
      kind: 'agent',
      id: 'a',
      nats_url: 'nats://x',
      credentials_file: 'nats.creds',
      region: 'r',
      trust,
    }
    const file = (name: string, content: string, mode = 0o600) => writeFile(join(folder, name), content, { mode })
    await file('enrolment.json', JSON.stringify(enrolment))
    await file('key.jwk', JSON.stringify(secret))
    await file('nats.creds', jwt({ name: 'agent_a', sub: 'UABC' }))
    const grades = async () =>
      (await checkPackage(folder)).findings
        .filter(({ grade }) => grade !== 'ok')
        .map(({ check, grade }) => [check, grade])
    expect(await grades()).toEqual([])
    expect(JSON.stringify(await checkPackage(folder))).not.toMatch(new RegExp(`SECRET|${secret.d}`))
    await file('key.old.jwk', JSON.stringify(secret))
    expect(await grades()).toEqual([['rotation', 'warn']])
    await chmod(join(folder, 'key.jwk'), 0o644)
    expect(await grades()).toEqual([
      ['file mode', 'fail'],
      ['key', 'fail'],
      ['rotation', 'warn'],
    ])
    await rm(join(folder, 'nats.creds'))
    expect(await grades()).toContainEqual(['login', 'fail'])
    await file('enrolment.json', '{}')
    expect(await grades()).toEqual([['enrolment', 'fail']])
  })
})

describe('the way to the plane', () => {
  test('a port answers, or nobody listens there', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    expect(await checkPort({ name: 'nats', host: '127.0.0.1', port })).toMatchObject({ grade: 'ok' })
    server.close()
    await new Promise((resolve) => server.once('close', resolve))
    expect(await checkPort({ name: 'nats', host: '127.0.0.1', port })).toMatchObject({
      grade: 'fail',
      found: expect.stringContaining('nobody listens'),
      mend: expect.stringContaining('npm start'),
    })
  })
  test('an address is taken apart without its password', () => {
    expect(portOf('redis', 'redis://:s3cret@127.0.0.1:6400', 6379)).toEqual({
      name: 'redis',
      host: '127.0.0.1',
      port: 6400,
    })
    expect(portOf('nats', 'tls://bus.example', 4222)).toEqual({ name: 'nats', host: 'bus.example', port: 4222 })
    expect(portOf('nats', 'nonsense', 4222)).toBeUndefined()
  })
})

describe('the plane', () => {
  test('a clock is wrong only when it is, whatever the measurement leaves open', () => {
    const grade = (aheadMs: number, errorMs = 100) => gradeClock({ aheadMs, errorMs }).grade
    expect([grade(0), grade(-900), grade(1500), grade(-5000), grade(5000), grade(4500, 1000)]).toEqual([
      'ok',
      'ok',
      'warn',
      'fail',
      'fail',
      'warn',
    ])
  })
  test('other pins than the plane’s are a failure that names them', () => {
    const [a, b] = [publicJwk(generateJwk('ES256')), publicJwk(generateJwk('ES256'))]
    const trust = { operators: { root: a }, anchors: { 'audit-sink': a }, log_vkeys: ['v'], two_person: [] }
    expect(comparePins(trust, structuredClone(trust))).toMatchObject({ grade: 'ok' })
    expect(comparePins({ ...trust, operators: { root: b } }, trust)).toMatchObject({
      grade: 'fail',
      found: expect.stringContaining('operators'),
    })
    expect(comparePins({ ...trust, log_vkeys: ['w'] }, trust)).toMatchObject({
      grade: 'fail',
      found: expect.stringContaining('log_vkeys'),
    })
  })
})
