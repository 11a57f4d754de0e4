import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatVkey, sealKey } from '@writ/audit'
import { generateJwk, publicJwk, writeKeyFile } from '@writ/keys'
import { DirectoryStore } from '@writ/worm-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ORIGIN, pins, REGION, vkeys } from '../../../audit/src/testing/plant-log.ts'
import { runCli } from '../program.ts'

const EPOCH = ORIGIN.split('/').at(-1) ?? ''
const until = new Date('2020-01-01T00:00:00Z')
const key = generateJwk('ES256')
let dir: string
let store: DirectoryStore

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-cli-hold-'))
  store = await DirectoryStore.open(join(dir, 'store'))
  for (const path of ['checkpoint', 'tile/0/000']) await store.put(`${ORIGIN}/${path}`, Buffer.from(path), until)
  await store.put(sealKey(ORIGIN, 1), Buffer.from('seal'), until)
  await mkdir(join(dir, 'root'), { mode: 0o700 })
  const vkey = formatVkey(vkeys[0] as (typeof vkeys)[number])
  const trust = { ...pins, operators: { root: publicJwk(key) } }
  const own = { nats_url: 'nats://127.0.0.1:1', credentials_file: 'nats.creds', region: REGION }
  await file('root/enrolment.json', {
    ...own,
    kind: 'operator',
    id: 'root',
    trust: { ...trust, log_vkeys: [vkey], two_person: [] },
  })
  await writeKeyFile(join(dir, 'root', 'key.jwk'), key)
  const operator = { id: 'root', key_file: join(dir, 'root', 'key.jwk'), credentials_file: join(dir, 'nats.creds') }
  await file('local.json', {
    ...own,
    redis_url: 'redis://127.0.0.1:1',
    trust: { operators: trust.operators, anchors: trust.anchors },
    store: `file:${join(dir, 'store')}`,
    log_origin: ORIGIN,
    log_vkey: vkey,
    operator,
    provisioning: { dir },
    services: {},
  })
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function file(name: string, content: object): Promise<void> {
  await writeFile(join(dir, name), JSON.stringify(content), { mode: 0o600 })
}

async function writ(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' }
  const code = await runCli(['--home', dir, ...args], {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
    env: {},
  })
  return { code, ...written }
}

test('an epoch is held, shown with who said so, and released, with nothing running', async () => {
  expect(await writ('audit', 'holds')).toMatchObject({ code: 0, out: 'no epoch is under legal hold\n' })
  const held = await writ('audit', 'hold', EPOCH, '--reason', 'Case 17/2026.')
  expect(held).toMatchObject({ code: 0, out: `4 objects of ${ORIGIN} are under legal hold; word 1\n` })
  expect(await store.remove(`${ORIGIN}/tile/0/000`)).toBe('retained')
  expect(JSON.parse((await writ('audit', 'holds', '--json')).out)).toEqual({
    holds: [
      {
        epoch: EPOCH,
        origin: ORIGIN,
        by: 'word',
        operator: 'root',
        since: expect.any(String),
        reason: 'Case 17/2026.',
        signed_by_pinned: true,
      },
    ],
  })
  expect((await writ('audit', 'hold', EPOCH, '--reason', 'Again.')).out).toContain('word 1, said before')
  expect((await writ('audit', 'release', EPOCH, '--reason', 'Closed.')).out).toContain(
    'have their own retention again; word 2',
  )
  expect(await store.remove(`${ORIGIN}/tile/0/000`)).toBe('removed')
  expect((await writ('audit', 'holds')).out).toBe('no epoch is under legal hold\n')
})

test('a hold placed in the storage itself is shown, and one of a stranger is not taken for an operator’s', async () => {
  await store.hold(sealKey(ORIGIN, 1), true)
  expect((await writ('audit', 'holds')).out).toMatch(new RegExp(`${EPOCH} +storage`))
  await rm(join(dir, 'root', 'key.jwk'))
  await writeKeyFile(join(dir, 'root', 'key.jwk'), generateJwk('ES256'))
  await writ('audit', 'hold', EPOCH, '--reason', 'Case 18.')
  expect((await writ('audit', 'holds')).out).toContain('not signed by a pinned operator')
})

test('without a reason, for an epoch that is not there, and by who is no operator it is refused', async () => {
  expect((await writ('audit', 'hold', EPOCH)).code).not.toBe(0)
  expect(await writ('audit', 'hold', '1999h1', '--reason', 'x')).toMatchObject({
    code: 3,
    err: expect.stringContaining('holds no log of that epoch'),
  })
  const agent = JSON.parse(await readFile(join(dir, 'root', 'enrolment.json'), 'utf8')) as object
  await mkdir(join(dir, 'agent'), { mode: 0o700 })
  await file('agent/enrolment.json', { ...agent, kind: 'agent', id: 'a' })
  const refused = await writ('audit', 'hold', EPOCH, '--reason', 'x', '--as', join(dir, 'agent'))
  expect(refused.err).toContain('wrong_role')
  expect(await store.held(sealKey(ORIGIN, 1))).toBe(false)
  const { err } = await writ('audit', 'hold', EPOCH, '--reason', 'x', '--store', 's3://Not-A-Bucket/x')
  expect(err).toContain('A store in S3 is named s3://<bucket>/<prefix>')
})
