import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogCheckpoint, parseVkey } from '@writ/audit'
import type { ServiceRole } from '@writ/contracts'
import { openSigner } from '@writ/keys'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { KMS_REGION, startKms, type TestKms } from './support/kms.ts'
import { type LocalStack, REGION, startLocalStack } from './support/local-stack.ts'
import { had, titled } from './support/needs.ts'
import { until } from './support/outsider.ts'
import { Lab } from './support/promises-lab.ts'

const moto = await had('moto_server')
const ROLES = ['audit-sink', 'intent-gateway', 'policy-evaluator', 'token-issuer'] as const

describe.skipIf(moto.missing !== undefined)(titled('a plane whose keys are in KMS', moto), () => {
  let kms: TestKms
  let local: LocalStack
  let lab: Lab
  let dir: string
  beforeAll(async () => {
    kms = await startKms()
    for (const [name, value] of Object.entries(kms.env)) vi.stubEnv(name, value)
    await kms.createKey('ECC_NIST_EDWARDS25519', 'alias/log')
    await kms.createKey('ECC_NIST_EDWARDS25519', 'alias/time')
    await kms.createKey('SYMMETRIC_DEFAULT', 'alias/wrap')
    for (const role of ROLES) await kms.createKey('ECC_NIST_P256', `alias/${role}`)
    const anchors = Object.fromEntries(ROLES.map((role) => [role, `kms:alias/${role}`]))
    const keys = { log: 'kms:alias/log', cosign: 'kms:alias/time', wrap: 'kms:alias/wrap', anchors }
    // In production a KMS key is taken where the jurisdiction has its keys.
    dir = await mkdtemp(join(tmpdir(), 'writ-kms-plane-'))
    const demand = {
      partition: 'aws-eusc',
      bucket_regions: [KMS_REGION],
      retention_days_min: 190,
      retention_days_max: 190,
      keys: { regions: [KMS_REGION], specs: ['ECC_NIST_EDWARDS25519'] },
    }
    const WRIT_RESIDENCY = join(dir, 'residency.json')
    await writeFile(WRIT_RESIDENCY, JSON.stringify({ version: 1, jurisdictions: { [REGION]: demand } }))
    local = await startLocalStack('kms', { ...kms.env, WRIT_RESIDENCY }, keys)
    lab = await Lab.open(local)
    await lab.gateway('gw-kms')
    await lab.device('pump', 'gw-kms')
  })
  afterEach(() => kms.mend())
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]()
    await local?.[Symbol.asyncDispose]()
    await kms?.[Symbol.asyncDispose]()
    await rm(dir, { recursive: true, force: true })
    vi.unstubAllEnvs()
  })

  const shown = async () => {
    const { store } = local.stack.paths
    const note = await readFile(join(store, local.stack.plane.logName, 'checkpoint'), 'utf8')
    return { note, ...openLogCheckpoint(note, local.stack.plane.trust.log_vkeys.map(parseVkey)) }
  }
  const sinkProblems = async (): Promise<Record<string, string>> => {
    const { checks } = (await (await fetch(`${local.stack.healthUrls['audit-sink']}/readyz`)).json()) as {
      checks: Record<string, string>
    }
    return checks
  }

  test('carries an intent out, and its log verifies, with a signed time on each checkpoint', async () => {
    const intent = await lab.submit(['pump'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    await lab.logged(intent, 'action.succeeded')
    const { note, signedTimeSeconds = 0 } = await shown()
    expect(
      note
        .trimEnd()
        .split('\n')
        .filter((line) => line.startsWith('— ')),
    ).toHaveLength(2)
    expect(Math.abs(signedTimeSeconds - Date.now() / 1000)).toBeLessThan(600)
    const { json } = await local.writ(['audit', 'verify'])
    expect(json).toMatchObject({ ok: true })
  })

  test('pins the public keys that KMS has, and writes no private one', async () => {
    const { trust, dir, references } = local.stack.plane
    for (const role of ROLES)
      expect(trust.anchors[role]).toEqual((await openSigner(references.anchor(role as ServiceRole))).jwk)
    for (const name of ['log.jwk', 'cosign.jwk', 'wrap.key', ...ROLES.map((role) => join('anchors', `${role}.jwk`))])
      await expect(readFile(join(dir, 'provisioning', 'keys', name)), name).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('is made by writ plane create, from references to keys that are there and are what they are to be', async () => {
    const create = (dir: string, ...keys: readonly string[]) =>
      local.writ(
        [
          ...[
            'plane',
            'create',
            '--dir',
            join(local.home, dir),
            '--region',
            'r-1',
            '--nats-url',
            'nats://127.0.0.1:4222',
          ],
          ...['--log-name', 'audit.example/r-1', ...keys],
        ],
        { fails: true },
      )
    const anchors = ROLES.map((role) => `${role}=kms:alias/${role}`)
    const keys = ['--log-key', 'kms:alias/log', '--cosign-key', 'kms:alias/time', '--wrap-key', 'kms:alias/wrap']
    const { code, json } = await create('made', ...keys, '--anchor-key', ...anchors)
    expect(code).toBe(0)
    const types = (json['log_vkeys'] as string[]).map((vkey) => parseVkey(vkey).type)
    expect(types).toEqual([1, 4])
    for (const [dir, ...wrong] of [
      ['a', '--log-key', 'kms:alias/nobody'],
      ['b', '--log-key', 'kms:alias/wrap'],
      ['c', '--cosign-key', 'kms:alias/audit-sink'],
      ['w', '--wrap-key', 'kms:alias/audit-sink'],
      ['d', '--anchor-key', 'nobody=kms:alias/audit-sink'],
      ['e', '--log-key', 'kms:alias/log', '--cosign-key', 'kms:alias/log'],
    ] as const)
      expect((await create(dir, ...wrong)).code, wrong.join(' ')).not.toBe(0)
  })

  test('goes on while KMS signs nothing: tokens are issued, seals wait, and then everything is sealed', async () => {
    const before = await shown()
    kms.spoil('Sign', 'fails')
    const intent = await lab.submit(['pump'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    await until('the sink says why it does not seal', async () => (await sinkProblems())['log']?.includes('KMS'))
    expect((await shown()).size).toBe(before.size)
    kms.mend()
    await lab.logged(intent, 'action.succeeded')
    expect((await shown()).size).toBeGreaterThan(before.size)
    await until('the sink is ready', async () => (await sinkProblems())['log'] === 'ok')
  })

  test('seals nothing while KMS returns signatures that do not verify', async () => {
    kms.spoil('Sign', (answer) => ({ ...answer, Signature: Buffer.alloc(64, 1).toString('base64') }))
    const intent = await lab.submit(['pump'])
    expect((await lab.end(intent)).state).toBe('succeeded')
    await until('the sink says why it does not seal', async () => (await sinkProblems())['log']?.includes('verify'))
    const wrong = await local.counter('audit-sink', 'writ_kms_attempts_total', 'result="wrong"')
    expect(wrong).toBeGreaterThan(0)
    kms.mend()
    await lab.logged(intent, 'action.succeeded')
  })

  test('starts again while KMS is away: a service waits for its anchor, says so, and goes on when KMS is back', async () => {
    kms.spoil('DescribeKey', 'fails')
    lab.kill('token-issuer')
    const readyz = async () => {
      const response = await fetch(`${local.stack.healthUrls['token-issuer']}/readyz`).catch(() => undefined)
      return response === undefined ? '' : await response.text()
    }
    await until('token-issuer waits for its anchor', async () => (await readyz()).includes('anchor key'))
    kms.mend()
    const intent = await lab.submit(['pump'])
    expect((await lab.end(intent)).state).toBe('succeeded')
  })

  test('gives an auditor the keys of the documents, and not the secret that makes pseudonyms', async () => {
    const out = join(local.home, 'subject-keys.json')
    await local.writ(['audit', 'keys', '--out', out])
    const { keys } = JSON.parse(await readFile(out, 'utf8')) as { keys: { kid: string }[] }
    const kids = keys.map(({ kid }) => kid)
    expect(kids.length).toBeGreaterThan(1)
    expect(kids).toContain('records')
    expect(kids).not.toContain('derivation')
    const { json } = await local.writ(['audit', 'verify', '--subject-keys', out])
    expect(json).toMatchObject({ ok: true, sealed: 0 })
  })
})
