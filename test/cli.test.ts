import { chmod, cp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateJwk, publicJwk, thumbprint } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliStage, REGION, startCliStage } from './support/cli-stage.ts'

let stage: CliStage
beforeAll(async () => {
  stage = await startCliStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

describe('writ … create', () => {
  test('makes an enrolment package of mode 0600 without printing a secret, and the agent works at once', async () => {
    const { agent, dir, submit } = stage
    const { code, value } = await agent('line-1')
    expect([code, value]).toMatchObject([0, { ok: true, kind: 'agent', id: 'line-1', version: 1, revokes: [] }])
    expect((await readdir(dir('line-1'))).toSorted()).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])
    for (const file of await readdir(dir('line-1')))
      expect((await stat(join(dir('line-1'), file))).mode & 0o777).toBe(0o600)
    const { d } = JSON.parse(await readFile(join(dir('line-1'), 'key.jwk'), 'utf8')) as { d: string }
    expect(JSON.stringify(value)).not.toContain(d)
    const { code: ended, value: intent } = await submit('line-1')
    expect([ended, intent]).toMatchObject([0, { ok: true, status: { state: 'succeeded' } }])
  })

  test('warns of what nothing knows: an action without a policy, a group without a device', async () => {
    const { json, writ } = stage
    const about = ['--users', 'u-bo', '--actions', 'telemetry-read,restrat', '--groups', 'press-hall,pres-hall']
    const warnings = [expect.stringContaining('no action restrat'), expect.stringContaining('group pres-hall')]
    expect(await json('agent', 'create', 'typo-1', ...about)).toMatchObject({ code: 0, value: { ok: true, warnings } })
    const said = await writ('agent', 'create', 'typo-2', ...about)
    expect([said.code, said.err.split('\n')]).toEqual([0, [...warnings, '']])
    expect(await stage.agent('typo-3')).toMatchObject({ code: 0, value: { warnings: [] } })
  })

  test('demands of CONTROL, in the package, what it holds now', async () => {
    const { control } = JSON.parse(await readFile(join(stage.dir('line-1'), 'enrolment.json'), 'utf8')) as {
      control: { stream: string; seq: number }
    }
    expect(control).toEqual(stage.stack.operator.authority.control.rev)
  })

  test('registers a key made elsewhere, and makes none', async () => {
    const { agent, dir, home } = stage
    const key = publicJwk(generateJwk('EdDSA'))
    const file = join(home, 'public.jwk')
    await writeFile(file, JSON.stringify(key))
    const { code, value } = await agent('line-2', '--key', file)
    expect([code, value]).toMatchObject([0, { kid: thumbprint(key) }])
    expect((await readdir(dir('line-2'))).toSorted()).toEqual(['enrolment.json', 'nats.creds'])
  })

  test('refuses a version that is not the next, says which is, and updates with it', async () => {
    const { agent } = stage
    expect(await agent('line-3')).toMatchObject({ code: 0 })
    expect(await agent('line-3')).toMatchObject({
      code: 3,
      value: { ok: false, code: 'wrong_version', message: 'The next version is 2.', next: expect.any(String) },
    })
    expect(await agent('line-3', '--version', '2')).toMatchObject({ code: 0, value: { version: 2 } })
  })

  test('refuses a key that is registered already, over all kinds', async () => {
    const { json, dir } = stage
    const key = join(dir('line-1'), 'key.jwk')
    const approver = await json('approver', 'create', 'ann', '--user', 'u-ann', '--roles', 'boss', '--key', key)
    expect(approver).toMatchObject({ code: 3, value: { code: 'replayed' } })
  })

  test('makes gateways, devices with floors, approvers and operators', async () => {
    const { json, dir, home } = stage
    expect(await json('gateway', 'create', 'gw-9', '--jurisdiction', REGION, '--out', dir('gw-9'))).toMatchObject({
      code: 0,
    })
    const floors = join(home, 'floors.json')
    await writeFile(floors, JSON.stringify({ restart: { approvals: { count: 2, roles: ['boss'] } } }))
    const device = ['device', 'create', 'pump-1', '--group', 'press-hall', '--jurisdiction', REGION]
    const actions = ['--actions', 'restart,telemetry-read']
    expect(await json(...device, ...actions, '--gateway', 'gw-none')).toMatchObject({
      code: 3,
      value: { code: 'chain_broken' },
    })
    expect(await json(...device, ...actions, '--gateway', 'gw-9', '--floors', floors)).toMatchObject({ code: 0 })
    expect(
      await json('approver', 'create', 'bea', '--user', 'u-bea', '--roles', 'boss,night', '--out', dir('bea')),
    ).toMatchObject({ code: 0 })
    expect(await json('operator', 'create', 'deputy', '--user', 'u-dora', '--out', dir('deputy'))).toMatchObject({
      code: 0,
    })
  })

  test('removes a gateway only when no device names it any more', async () => {
    const { json } = stage
    expect(await json('gateway', 'remove', 'gw-9', '--no-revoke')).toMatchObject({
      code: 3,
      value: { code: 'chain_broken', message: expect.stringContaining('pump-1') },
    })
    expect(await json('device', 'remove', 'pump-1', '--no-revoke')).toMatchObject({ code: 0, value: { version: 2 } })
    expect(await json('gateway', 'remove', 'gw-9', '--no-revoke')).toMatchObject({
      code: 0,
      value: { version: 2, credentials: 1 },
    })
  })

  test('an operator who is not pinned files records and revokes, and appoints no operator', async () => {
    const { agent, json, dir, submit } = stage
    const as = ['--as', dir('deputy')]
    expect(await agent('line-4', ...as)).toMatchObject({ code: 0 })
    const other = await json('operator', 'create', 'third', '--user', 'u-tom', '--out', dir('third'), ...as)
    expect(other).toMatchObject({ code: 3, value: { code: 'wrong_role' } })
    expect((await readdir(dir('third'))).toSorted()).toEqual(['key.next.jwk'])
    expect(await json('revoke', 'agent', 'line-4', ...as)).toMatchObject({ code: 0, value: { ok: true } })
    expect(await submit('line-4')).toMatchObject({
      code: 5,
      value: { status: { state: 'denied', reasons: [{ code: 'revoked' }] } },
    })
    expect(await json('lift', 'agent', 'line-4', ...as)).toMatchObject({ code: 0 })
    expect(await submit('line-4')).toMatchObject({ code: 0 })
  })

  test('another operator’s signature under a command is filed with it', async () => {
    const { agent, json, dir } = stage
    expect(await agent('line-5', '--cosign', dir('deputy'))).toMatchObject({ code: 0 })
    expect(await json('agent', 'show', 'line-5')).toMatchObject({
      value: { history: [{ version: 1, signed_by: ['root', 'deputy'], valid: true }] },
    })
    expect(await agent('line-6', '--cosign', dir('line-5'))).toMatchObject({ code: 3, value: { code: 'wrong_role' } })
  })
})

describe('writ revoke, lift', () => {
  test('says what was recorded, who confirmed, and by when it is effective everywhere', async () => {
    const { writ, submit } = stage
    const { out } = await writ('revoke', 'user', 'u-bo', '--reason', 'On holiday.', '--quarantine')
    expect(out).toMatch(/recorded as control message \d+; effective everywhere by /)
    expect(out).toMatch(/2 of 2 gateways confirmed/)
    expect(await submit('line-1')).toMatchObject({ code: 5, value: { status: { reasons: [{ code: 'quarantined' }] } } })
    expect((await writ('lift', 'user', 'u-bo')).code).toBe(0)
  })
  test('a lift of what does not stand, and a scope without an id, are refused', async () => {
    const { json, writ } = stage
    expect(await json('lift', '9999')).toMatchObject({ code: 3, value: { code: 'malformed' } })
    expect(await json('revoke', 'agent')).toMatchObject({ code: 3, value: { code: 'malformed' } })
    expect((await writ('revoke', 'everything', 'x')).code).toBe(2)
  })
})

describe('writ intent', () => {
  test('a refused intent ends with exit code 5 and its reason', async () => {
    const { writ, dir } = stage
    const about = ['--action', 'restart', '--target', 'conveyor-plc-02', '--user', 'u-bo', '--purpose', 'Try.']
    const ran = await writ('intent', 'submit', '--agent', dir('line-1'), ...about, '--wait')
    expect([ran.code, ran.out]).toEqual([5, expect.stringContaining('scope_exceeded')])
  })
  test('status finds an intent again, and says when nothing is known', async () => {
    const { json, dir, submit } = stage
    expect(await submit('line-1', '--intent-id', 'mine-1')).toMatchObject({ value: { intent_id: 'mine-1' } })
    expect(await json('intent', 'status', 'mine-1', '--agent', dir('line-1'))).toMatchObject({
      code: 0,
      value: { status: { state: 'succeeded' } },
    })
    expect(await json('intent', 'status', 'nobody', '--agent', dir('line-1'))).toMatchObject({ code: 4 })
  })
  test('what is not valid is said before anything is sent', async () => {
    const { json, dir } = stage
    const about = ['--action', 'Restart', '--target', 'press-07', '--user', 'u-bo', '--purpose', 'x']
    expect(await json('intent', 'submit', '--agent', dir('line-1'), ...about)).toMatchObject({
      code: 3,
      value: { code: 'malformed' },
    })
  })
})

describe('writ audit verify', () => {
  test('verifies the evidence of all that, and names what is wrong with an altered copy', async () => {
    const { json, home } = stage
    expect(await json('audit', 'verify')).toMatchObject({ code: 0, value: { ok: true } })
    const copy = join(home, 'copy')
    await cp(join(home, 'store'), copy, { recursive: true })
    const file = join(copy, await widestBundle(copy))
    await chmod(file, 0o600)
    const bytes = await readFile(file)
    bytes[100] = (bytes[100] ?? 0) ^ 1
    await writeFile(file, bytes)
    const { code, value } = await json('audit', 'verify', copy)
    expect([code, value['ok']]).toEqual([6, false])
    expect(value['findings']).toContainEqual(expect.objectContaining({ verdict: 'entry_altered' }))
  })
})

/** The entry bundle 000 that the newest checkpoint covers: the full one, else the widest partial. */
async function widestBundle(store: string): Promise<string> {
  const names = (await readdir(store, { recursive: true })).filter((name) => !name.startsWith('.versions'))
  const bundles = names.filter((name) => /tile\/entries\/000(\.p\/\d+)?$/.test(name))
  const width = (name: string) => Number(/\.p\/(\d+)$/.exec(name)?.[1] ?? 256)
  return bundles.toSorted((a, b) => width(b) - width(a))[0] ?? ''
}

describe('exit codes', () => {
  test('usage is 2, no plane is 4, help is 0', async () => {
    const { spawned, home } = stage
    expect((await spawned('agent', 'create')).code).toBe(2)
    expect((await spawned('nonsense')).code).toBe(2)
    expect((await spawned('--home', join(home, 'none'), 'revoke', 'all')).code).toBe(4)
    expect((await spawned('--help')).code).toBe(0)
  })
  test('a process writes one document with --json, and leaves by itself', async () => {
    const { spawned } = stage
    const { code, out, err } = await spawned('--json', 'agent', 'list')
    expect([code, JSON.parse(out), err]).toEqual([0, expect.objectContaining({ ok: true }), ''])
  })
  test('plane create is idempotent and refuses to become another plane', async () => {
    const { json, home } = stage
    const create = (region: string) =>
      json(
        'plane',
        'create',
        '--dir',
        join(home, 'plane-2'),
        '--region',
        region,
        '--nats-url',
        'nats://127.0.0.1:1',
        '--log-name',
        `a.example/${region}/2026h2`,
      )
    const first = await create('r-1')
    expect(first).toMatchObject({ code: 0, value: { region: 'r-1' } })
    expect(await create('r-1')).toEqual(first)
    expect((await create('r-2')).code).toBe(3)
  })
})
