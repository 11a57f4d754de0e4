import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { decode } from '@nats-io/jwt'
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { Enrolment, permissions, SERVICE_ROLES } from '@writ/contracts'
import { readEnrolment, thumbprint } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startNats, type TestNats } from '../../../test/support/nats.ts'
import {
  connectSystem,
  createCredentials,
  createPlane,
  deleteGatewayConsumer,
  enrol,
  ensureStreams,
  openPlane,
  planePaths,
  revokeCredentials,
  serverConfig,
} from './index.ts'

let scratch: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'writ-plane-'))
})
afterAll(() => rm(scratch, { recursive: true, force: true }))
const options = (name: string) => ({
  dir: join(scratch, name),
  region: 'test-1',
  natsUrl: 'nats://127.0.0.1:4222',
  logName: 'writ.example/test-1',
})
const now = () => Math.floor(Date.now() / 1000)
const files = async (dir: string) => {
  const all = await readdir(dir, { recursive: true, withFileTypes: true })
  return Promise.all(
    all.map(async (entry) => {
      const path = join(entry.parentPath, entry.name)
      return { path, isFile: entry.isFile(), mode: (await stat(path)).mode & 0o777 }
    }),
  )
}

describe('creating a plane', () => {
  test('again changes nothing: same keys, same accounts, same pins', async () => {
    const first = await createPlane(options('again'))
    const before = await Promise.all(
      (await files(first.dir))
        .filter(({ isFile }) => isFile)
        .map(async ({ path }) => [path, await readFile(path, 'utf8')]),
    )
    const second = await createPlane(options('again'))
    expect(second.trust).toEqual(first.trust)
    expect(second.keys.accounts.STORE.getPublicKey()).toBe(first.keys.accounts.STORE.getPublicKey())
    for (const [path, text] of before) expect(await readFile(path ?? '', 'utf8'), path).toBe(text)
    expect(await openPlane(first.dir)).toMatchObject({ region: 'test-1', logVkey: first.logVkey, trust: first.trust })
  })

  test('two at once make one', async () => {
    const [a, b] = await Promise.all([createPlane(options('twice')), createPlane(options('twice'))])
    expect(a.trust).toEqual(b.trust)
    expect(a.keys.operator.getPublicKey()).toBe(b.keys.operator.getPublicKey())
  })

  test('leaves nothing that others may read', async () => {
    const { dir } = await createPlane(options('modes'))
    for (const { path, isFile, mode } of await files(dir)) expect([path, mode]).toEqual([path, isFile ? 0o600 : 0o700])
    expect((await stat(join(dir, 'provisioning'))).mode & 0o777).toBe(0o700)
    await chmod(planePaths(dir).logKey, 0o644)
    await expect(openPlane(dir)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('0600'),
    })
  })

  test('pins one key a role, the root operator, and a log key that anchors nothing', async () => {
    const { trust, logVkey } = await createPlane({ ...options('trust'), twoPerson: ['policy'] })
    expect(Object.keys(trust.anchors).sort()).toEqual([...SERVICE_ROLES].sort())
    const kids = [...Object.values(trust.anchors), ...Object.values(trust.operators)].map(
      (jwk) => jwk && thumbprint(jwk),
    )
    expect(new Set(kids).size).toBe(SERVICE_ROLES.length + 1)
    expect(trust.log_vkeys).toEqual([logVkey])
    expect(logVkey).toMatch(/^writ\.example\/test-1\+[0-9a-f]{8}\+/)
    expect(trust.two_person).toEqual(['policy'])
  })

  test('follows a new address but refuses another region or log in the same directory', async () => {
    await createPlane(options('fixed'))
    expect((await createPlane({ ...options('fixed'), natsUrl: 'nats://127.0.0.1:5222' })).natsUrl).toMatch('5222')
    for (const change of [{ region: 'other-1' }, { logName: 'other' }, { rootOperatorId: 'boss' }])
      await expect(createPlane({ ...options('fixed'), ...change })).rejects.toMatchObject({ code: 'malformed' })
    await expect(openPlane(join(scratch, 'nothing'))).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('refuses names that could not stand in a subject or a note', async () => {
    for (const change of [{ region: 'a.b' }, { region: '*' }, { logName: 'a b' }, { rootOperatorId: '../x' }])
      await expect(createPlane({ ...options('names'), ...change }), JSON.stringify(change)).rejects.toMatchObject({
        code: 'malformed',
      })
    await expect(openPlane(join(scratch, 'names'))).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('enrolling', () => {
  test('writes a package that is complete, private and relative to its folder', async () => {
    const plane = await createPlane(options('enrol'))
    const made = await enrol(plane, {
      kind: 'agent',
      id: 'A',
      outDir: join(scratch, 'A'),
      key: 'EdDSA',
      control: { stream: 's', seq: 1 },
    })
    const written = Enrolment.parse(JSON.parse(await readFile(made.enrolmentFile, 'utf8')))
    expect(written).toMatchObject({ kind: 'agent', id: 'A', region: 'test-1', credentials_file: 'nats.creds' })
    expect(written).toMatchObject({ trust: plane.trust, control: { stream: 's', seq: 1 }, nats_url: plane.natsUrl })
    expect(made.publicKey?.kty).toBe('OKP')
    for (const { path, mode } of await files(join(scratch, 'A'))) expect([path, mode]).toEqual([path, 0o600])
    expect((await readEnrolment(made.enrolmentFile)).credentials_file).toBe(made.credentialsFile)
  })

  test('gives exactly the permissions of the table, and none to respond', async () => {
    const plane = await createPlane(options('claims'))
    const { creds } = await createCredentials(plane, 'gateway', 'G')
    const jwt = /-----BEGIN NATS USER JWT-----\s+(\S+)/.exec(new TextDecoder().decode(creds))?.[1] ?? ''
    const { nats, iss } = decode<{ pub: object; sub: object; resp?: object }>(jwt)
    const granted = permissions('test-1', 'gateway', 'G')
    expect([nats.pub, nats.sub, nats.resp]).toEqual([{ allow: granted.pub }, { allow: granted.sub }, undefined])
    expect(iss).toBe(plane.keys.accounts.EDGE.getPublicKey())
  })

  test('again keeps credentials and key, and brings the pins up to date', async () => {
    const plane = await createPlane(options('keep'))
    const outDir = join(scratch, 'K')
    const first = await enrol(plane, { kind: 'agent', id: 'K', outDir, key: 'ES256' })
    const creds = await readFile(first.credentialsFile, 'utf8')
    const moved = await createPlane({ ...options('keep'), natsUrl: 'nats://127.0.0.1:5222' })
    const second = await enrol(moved, { kind: 'agent', id: 'K', outDir, key: 'ES256' })
    expect(second.publicKey).toEqual(first.publicKey)
    expect(await readFile(second.credentialsFile, 'utf8')).toBe(creds)
    expect((await readEnrolment(second.enrolmentFile)).nats_url).toMatch('5222')
  })

  test('refuses a folder of another identity, and one with a key of nobody known', async () => {
    const plane = await createPlane(options('others'))
    const outDir = join(scratch, 'O')
    const { keyFile } = await enrol(plane, { kind: 'agent', id: 'A', outDir, key: 'ES256' })
    const key = await readFile(keyFile, 'utf8')
    for (const other of [
      { kind: 'agent', id: 'B' },
      { kind: 'approver', id: 'A' },
    ] as const)
      await expect(enrol(plane, { ...other, outDir, key: 'ES256' })).rejects.toMatchObject({ code: 'replayed' })
    await rm(join(outDir, 'enrolment.json'))
    await expect(enrol(plane, { kind: 'agent', id: 'B', outDir, key: 'ES256' })).rejects.toMatchObject({
      code: 'replayed',
    })
    expect(await readFile(keyFile, 'utf8')).toBe(key)
  })

  test('refuses ids that are none, and packages that are none', async () => {
    const plane = await createPlane(options('ids'))
    for (const id of ['', '*', 'a.b', '../x', 'rejected-1', 'x'.repeat(65)])
      await expect(enrol(plane, { kind: 'agent', id, outDir: join(scratch, 'x') }), id).rejects.toMatchObject({
        code: 'malformed',
      })
    const outDir = join(scratch, 'none')
    await mkdir(outDir)
    await writeFile(join(outDir, 'enrolment.json'), '{"kind":', { mode: 0o600 })
    await expect(enrol(plane, { kind: 'agent', id: 'a', outDir })).rejects.toMatchObject({ code: 'malformed' })
  })
})

describe('with a server', () => {
  let nats: TestNats
  beforeAll(async () => {
    nats = await startNats()
  }, 120_000)
  afterAll(() => nats?.stop())
  const login = (creds: Uint8Array) =>
    connect({ servers: nats.url, authenticator: credsAuthenticator(creds), reconnect: false })

  test('streams that are there are left as they are, and follow a new bound', async () => {
    const region = nats.plane.region
    const state = async () => (await jetstreamManager(nats.store)).streams.info('INTENTS')
    const before = await state()
    await ensureStreams(nats.store, { region })
    expect((await state()).created).toBe(before.created)
    await ensureStreams(nats.store, { region, bytesMax: { INTENTS: 2 ** 20 } })
    expect((await state()).config.max_bytes).toBe(2 ** 20)
  })

  test('a stream that differs in what is fixed for good is refused, not repaired', async () => {
    const jsm = await jetstreamManager(nats.store)
    await jsm.streams.delete('REPORTS')
    await jsm.streams.add({
      name: 'REPORTS',
      subjects: ['writ.v1.test-1.report.*.*'],
      max_bytes: 2 ** 20,
      deny_delete: true,
    })
    await expect(ensureStreams(nats.store, { region: 'test-1' })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/REPORTS.*deny_delete/),
    })
    await jsm.streams.delete('REPORTS')
    await ensureStreams(nats.store, { region: 'test-1' })
  })

  test('a consumer of an earlier version is adjusted', async () => {
    const jsm = await jetstreamManager(nats.store)
    await jsm.consumers.update('AUDIT', 'audit-sink', { headers_only: false, max_ack_pending: 7 })
    await ensureStreams(nats.store, { region: 'test-1' })
    const { config } = await jsm.consumers.info('AUDIT', 'audit-sink')
    expect(config).toMatchObject({ headers_only: true, max_ack_pending: 4096, ack_policy: 'explicit' })
  })

  test('a gateway is enrolled with its consumer, twice without harm', async () => {
    const outDir = join(scratch, 'G')
    for (let n = 0; n < 2; n++) await enrol(nats.plane, { kind: 'gateway', id: 'G', outDir, key: 'ES256' })
    const jsm = await jetstreamManager(nats.store)
    const { config } = await jsm.consumers.info('PLANS', 'gateway-G')
    expect(config).toMatchObject({ ack_policy: 'explicit', filter_subject: 'writ.v1.test-1.plan.G', max_deliver: -1 })
  })

  test('a removed gateway’s consumer is deleted, once and without harm twice', async () => {
    await enrol(nats.plane, { kind: 'gateway', id: 'D', outDir: join(scratch, 'D'), key: 'ES256' })
    expect(await deleteGatewayConsumer(nats.store, 'D')).toBe(true)
    expect(await deleteGatewayConsumer(nats.store, 'D')).toBe(false)
    const jsm = await jetstreamManager(nats.store)
    await expect(jsm.consumers.info('PLANS', 'gateway-D')).rejects.toMatchObject({ code: 10014 })
    expect((await jsm.consumers.info('PLANS', 'gateway-G')).name).toBe('gateway-G')
  })

  test('a package whose login was withdrawn gets another, and the withdrawn one stays out', async () => {
    const again = () => enrol(nats.plane, { kind: 'agent', id: 'R', outDir: join(scratch, 'R'), key: 'ES256' })
    const { credentialsFile, publicKey } = await again()
    const before = await readFile(credentialsFile)
    const system = await connectSystem(nats.plane)
    await revokeCredentials(nats.plane, system, 'agent', 'R', now())
    await system.close()
    const second = await again()
    const after = await readFile(credentialsFile)
    expect([second.publicKey, after.equals(before), (await stat(credentialsFile)).mode & 0o777]).toEqual([
      publicKey,
      false,
      0o600,
    ])
    await (await login(after)).close()
    await expect(login(before)).rejects.toMatchObject({ name: 'AuthorizationError' })
    await again()
    expect((await readFile(credentialsFile)).equals(after)).toBe(true)
  })

  test('the root operator has a package from the start', async () => {
    const { rootOperator } = planePaths(nats.plane.dir)
    const { id, credentials_file } = await readEnrolment(join(rootOperator, 'enrolment.json'))
    expect(id).toBe('root')
    await (await login(await readFile(credentials_file))).close()
  })

  test('withdrawn credentials stay withdrawn when the server starts from new configuration and nothing else', async () => {
    const { creds } = await createCredentials(nats.plane, 'agent', 'W')
    await (await login(creds)).close()
    const system = await connectSystem(nats.plane)
    expect(await revokeCredentials(nats.plane, system, 'agent', 'W', now())).toBe(1)
    expect(await revokeCredentials(nats.plane, system, 'agent', 'W', now())).toBe(1)
    expect(await revokeCredentials(nats.plane, system, 'agent', 'nobody', now())).toBe(0)
    await system.close()
    await expect(login(creds)).rejects.toMatchObject({ name: 'AuthorizationError' })
    await using fresh = await startNats({ plane: nats.plane })
    await expect(
      connect({ servers: fresh.url, authenticator: credsAuthenticator(creds), reconnect: false }),
    ).rejects.toMatchObject({ name: 'AuthorizationError' })
  })

  test('two who withdraw at once lose neither', async () => {
    const made = await Promise.all(['X', 'Y', 'Z'].map((id) => createCredentials(nats.plane, 'agent', id)))
    await Promise.all(
      ['X', 'Y', 'Z'].map(async (id) => {
        const system = await connectSystem(nats.plane)
        await revokeCredentials(nats.plane, system, 'agent', id, now())
        await system.close()
      }),
    )
    for (const { creds } of made) await expect(login(creds)).rejects.toMatchObject({ name: 'AuthorizationError' })
  })
})

test('the server configuration flushes always, listens on loopback and reserves room for every stream', async () => {
  const plane = await createPlane(options('config'))
  const text = await serverConfig(plane, { dataDir: '/data', port: 4222, monitorPort: 8222 })
  expect(text).toContain('listen: "127.0.0.1:4222"')
  expect(text).toContain('http: "127.0.0.1:8222"')
  expect(text).toContain('sync_interval: always')
  expect(text).not.toMatch(/\bS[OA][A-Z2-7]{56}\b/)
  const cluster = { serverName: 'n0', listen: '127.0.0.1:6222', routes: ['nats://127.0.0.1:6223'] }
  expect(await serverConfig(plane, { dataDir: '/data', port: 4222, cluster })).toContain('cluster: { name: writ')
})
