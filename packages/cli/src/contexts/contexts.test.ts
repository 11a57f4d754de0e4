import { randomUUID } from 'node:crypto'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Fault } from '@writ/contracts'
import { generateJwk, publicJwk, writeKeyFile } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Context } from '../context.ts'
import { runDoctor } from '../doctor/run-doctor.ts'
import { agentPackage } from '../intents/agent-package.ts'
import { readLocalFile } from '../local-file.ts'
import { runCli } from '../program.ts'
import { chooseContext } from './choose-context.ts'
import { contextsFile, readContexts } from './contexts-file.ts'

let dir: string
let env: Record<string, string>
let file: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-contexts-'))
  env = { XDG_CONFIG_HOME: join(dir, 'config') }
  file = contextsFile(env)
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const anyKey = () => publicJwk(generateJwk('ES256'))

/** Pins of one plane. */
interface Pinned {
  readonly region: string
  readonly operators: object
  readonly anchors: object
  readonly vkey: string
}
const pinned = (): Pinned => ({
  region: 'r-1',
  operators: { root: anyKey() },
  anchors: { 'audit-sink': anyKey() },
  vkey: `log.example/r-1+${randomUUID()}`,
})

async function enrolment(kind: string, id: string, of: Pinned = pinned()): Promise<string> {
  const folder = join(dir, `${kind}-${id}`)
  await mkdir(folder, { mode: 0o700 })
  const { region, operators, anchors, vkey } = of
  const trust = { operators, anchors, log_vkeys: [vkey], two_person: [] }
  const content = { kind, id, nats_url: 'nats://127.0.0.1:1', credentials_file: 'nats.creds', region, trust }
  await writeFile(join(folder, 'enrolment.json'), JSON.stringify(content), { mode: 0o600 })
  return folder
}

/** The folder that `npm start` makes, as far as commands read it. */
async function plane({ region, operators, anchors, vkey }: Pinned): Promise<string> {
  const home = await mkdtemp(join(dir, 'plane-'))
  const content = {
    nats_url: 'nats://127.0.0.1:1',
    redis_url: 'redis://127.0.0.1:1',
    region,
    trust: { operators, anchors },
    store_dir: join(home, 'store'),
    log_origin: 'log.example/r-1',
    log_vkey: vkey,
    operator: { id: 'root', key_file: join(home, 'root/key.jwk'), credentials_file: join(home, 'root/nats.creds') },
    provisioning: { dir: home },
    services: {},
  }
  await writeFile(join(home, 'local.json'), JSON.stringify(content), { mode: 0o600 })
  return home
}

async function writ(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: '', err: '' }
  const code = await runCli(args, {
    out: { write: (text) => (texts.out += text) },
    err: { write: (text) => (texts.err += text) },
    env,
  })
  return { code, ...texts }
}

describe('the file of contexts', () => {
  test('is 0600 in a folder of 0700, and holds paths but no key', async () => {
    const folder = await enrolment('agent', 'line-2')
    expect(await writ('context', 'add', 'mine', '--enrolment', folder)).toMatchObject({ code: 0 })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700)
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ contexts: { mine: { enrolment: folder } } })
  })
  test('is refused when others may read or write it, with the command that mends it', async () => {
    await writ('context', 'add', 'mine', '--enrolment', await enrolment('agent', 'line-2'))
    for (const mode of [0o644, 0o660, 0o606]) {
      await chmod(file, mode)
      const { code, err } = await writ('context', 'list')
      expect([code, err]).toEqual([4, expect.stringContaining(`chmod 600 ${file}`)])
      expect((await writ('intent', 'list')).code).toBe(4)
      expect((await writ('context', 'add', 'other', '--enrolment', dir)).code).toBe(4)
    }
  })
  test('is refused when it is not what this tool wrote', async () => {
    await mkdir(dirname(file), { recursive: true })
    for (const content of [
      '{',
      '[]',
      '{"contexts":{"local":{"enrolment":"/x"}}}',
      '{"contexts":{},"current":"gone"}',
    ]) {
      await writeFile(file, content, { mode: 0o600 })
      await expect(readContexts(file)).rejects.toMatchObject({ code: 'unavailable' })
    }
  })
  test('takes no folder that is no enrolment, and no name that means something else', async () => {
    expect(await writ('context', 'add', 'mine', '--enrolment', dir)).toMatchObject({ code: 4 })
    const folder = await enrolment('agent', 'line-2')
    for (const name of ['local', '../x', 'a b', '\u{1b}[31m'])
      expect(await writ('context', 'add', name, '--enrolment', folder)).toMatchObject({ code: 3 })
    expect(await writ('context', 'use', 'gone')).toMatchObject({
      code: 4,
      err: expect.stringContaining('writ context add'),
    })
  })
})

describe('which context a command works in', () => {
  test('--home, else --context, else WRIT_CONTEXT, else the one in use, else .writ', async () => {
    for (const name of ['a', 'b', 'c'])
      await writ('context', 'add', name, '--enrolment', await enrolment('operator', name))
    const chosen = async (options: { home?: string; context?: string }, variable?: string) => {
      const { name, by, home } = await chooseContext({
        ...options,
        env: { ...env, ...(variable !== undefined && { WRIT_CONTEXT: variable }) },
      })
      return [name, by, home]
    }
    await writ('context', 'use', 'local')
    expect(await chosen({})).toEqual(['local', 'default', join(process.cwd(), '.writ')])
    await writ('context', 'use', 'a')
    expect(await chosen({})).toEqual(['a', 'use', undefined])
    expect(await chosen({}, 'b')).toEqual(['b', 'variable', undefined])
    expect(await chosen({ context: 'c' }, 'b')).toEqual(['c', 'option', undefined])
    expect(await chosen({ home: '/plane' }, 'b')).toEqual(['local', 'option', '/plane'])
    await expect(chosen({ home: '/plane', context: 'c' })).rejects.toMatchObject({ code: 'malformed' })
    await expect(chosen({ context: 'toString' })).rejects.toMatchObject({ code: 'unavailable' })
  })
  test('an enrolment without the plane’s folder never falls back to another plane’s', async () => {
    await writ('context', 'add', 'far', '--enrolment', await enrolment('operator', 'dora'))
    const { code, err } = await writ('--context', 'far', 'credentials', 'revoke', 'agent', 'line-2')
    expect([code, err]).toEqual([4, expect.stringContaining('has no folder of the plane')])
    expect([3, 4]).toContain((await writ('--context', 'far', 'audit', 'verify')).code)
  })
  test('as an agent, what is for operators is refused before anything is sent', async () => {
    await writ('context', 'add', 'mine', '--enrolment', await enrolment('agent', 'line-2'))
    const { code, err } = await writ('--json', '--context', 'mine', 'agent', 'list')
    expect([code, JSON.parse(err)]).toMatchObject([3, { code: 'wrong_role', next: expect.stringContaining('--as') }])
  })
  test('one whose package cannot be read is shown with what is wrong, and ends with 4', async () => {
    const folder = await enrolment('agent', 'line-2')
    await writ('context', 'add', 'mine', '--enrolment', folder)
    expect((await writ('context', 'show', 'mine')).code).toBe(0)
    await rm(folder, { recursive: true })
    const { code, out } = await writ('--json', 'context', 'show', 'mine')
    expect(code).toBe(4)
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      name: 'mine',
      problem: expect.stringContaining(folder) as string,
    })
  })

  test('a removed context is forgotten, and its package stays', async () => {
    const folder = await enrolment('agent', 'line-2')
    await writ('context', 'add', 'mine', '--enrolment', folder)
    await writ('context', 'use', 'mine')
    expect((await writ('context', 'remove', 'mine')).code).toBe(0)
    expect(await readContexts(file)).toEqual({ contexts: {} })
    expect((await stat(folder)).isDirectory()).toBe(true)
  })
  test('list says which is in use and which cannot be read', async () => {
    const folder = await enrolment('agent', 'line-2')
    await writ('context', 'add', 'mine', '--enrolment', folder)
    await writ('context', 'add', 'other', '--enrolment', await enrolment('operator', 'dora'))
    await writ('context', 'use', 'other')
    await rm(folder, { recursive: true })
    const { out } = await writ('--json', 'context', 'list')
    const { items } = JSON.parse(out) as { items: readonly object[] }
    expect(items.filter((each) => (each as { name: string }).name !== 'local')).toMatchObject([
      { name: 'mine', current: false, problem: expect.stringContaining('cannot be read') },
      { name: 'other', current: true, kind: 'operator', id: 'dora' },
    ])
  })
})

describe('a context is of one plane', () => {
  const one = pinned()
  const others: readonly (readonly [string, Pinned])[] = [
    ['region', { ...one, region: 'r-2' }],
    ['operators', { ...one, operators: { root: anyKey() } }],
    ['anchors', { ...one, anchors: { 'audit-sink': anyKey() } }],
    ['log_vkeys', { ...one, vkey: 'log.example/r-1+other' }],
  ]

  test.each(others)('an enrolment that pins another %s than the plane’s folder is not added', async (part, other) => {
    const add = ['context', 'add', 'mixed', '--enrolment', await enrolment('operator', 'root', one), '--local']
    const { code, err } = await writ(...add, await plane(other))
    expect([code, err]).toEqual([3, expect.stringContaining(part)])
    expect(await readContexts(file)).toEqual({ contexts: {} })
    expect((await writ(...add, await plane(one))).code).toBe(0)
  })

  test.each(others)('nothing is done in one whose plane came to have another %s', async (part, other) => {
    const home = await plane(one)
    await writ('context', 'add', 'mine', '--enrolment', await enrolment('operator', 'root', one), '--local', home)
    await cp(join(await plane(other), 'local.json'), join(home, 'local.json'))
    for (const command of [
      ['status', '--fast'],
      ['agent', 'list'],
      ['credentials', 'revoke', 'agent', 'a'],
    ]) {
      const { code, err } = await writ('--context', 'mine', ...command)
      expect([code, err]).toEqual([3, expect.stringContaining(part)])
    }
  })

  test('nor as an operator of another plane', async () => {
    const home = await plane(one)
    await writ('context', 'add', 'mine', '--enrolment', await enrolment('operator', 'root', one), '--local', home)
    await writ('context', 'add', 'far', '--enrolment', await enrolment('operator', 'far', one))
    for (const [, other] of others) {
      const as = await enrolment('operator', randomUUID(), other)
      for (const where of [
        ['--context', 'mine'],
        ['--context', 'far'],
        ['--home', home],
      ]) {
        const { code, err } = await writ(...where, 'revoke', 'agent', 'a', '--as', as, '--reason', 'x')
        expect([code, err]).toEqual([3, expect.stringContaining('another plane')])
      }
    }
  })

  test('nor with a package or a second signature of another plane', async () => {
    const home = await plane(one)
    const [own, far] = [await enrolment('agent', 'a', pinned()), await enrolment('operator', 'far', pinned())]
    await writeKeyFile(join(far, 'key.jwk'), generateJwk('ES256'))
    const root = await enrolment('operator', 'root', one)
    for (const command of [
      ['credentials', 'renew', 'agent', 'a', '--package', own],
      ['policy', 'rollback', '--as', root, '--cosign', far],
    ]) {
      const { code, err } = await writ('--home', home, ...command)
      expect([code, err]).toEqual([3, expect.stringContaining('another plane')])
    }
  })

  test('nor as an agent of another plane, and a bare name is no folder unless it is a package', async () => {
    const mine = await enrolment('operator', 'root', one)
    const context: Context = { name: 'mine', enrolment: mine, services: {} }
    const of = (agent: string) => agentPackage(async () => context, agent)
    const own = await enrolment('agent', 'own', one)
    expect(await of(own)).toBe(own)
    for (const [, other] of others)
      await expect(of(await enrolment('agent', randomUUID(), other))).rejects.toMatchObject({ code: 'malformed' })
    // A folder of this name is there, and no package.
    await expect(of('packages')).rejects.toMatchObject({ code: 'unknown_agent' })
    const nowhere = () => Promise.reject(new Fault('unavailable', { message: 'No plane is here.' }))
    expect(await agentPackage(nowhere, own)).toBe(own)
    const wrong = () => Promise.reject(new Fault('malformed', { message: 'Two planes.' }))
    await expect(agentPackage(wrong, own)).rejects.toMatchObject({ code: 'malformed' })
  })

  test('doctor compares pins whatever addresses say', async () => {
    const home = await plane({ ...one, anchors: { 'audit-sink': anyKey() } })
    const local = { ...(await readLocalFile(home)), nats_url: 'nats://elsewhere:4222' }
    const context: Context = { name: 'mine', enrolment: await enrolment('agent', 'a', one), home, local, services: {} }
    const found = []
    for await (const finding of runDoctor({ env, nodeVersion: '24.0.0', context })) found.push(finding)
    expect(found.filter(({ check }) => check === 'pins')).toMatchObject([
      { grade: 'fail', found: expect.stringContaining('anchors') },
    ])
  })

  test('a name that is taken is given to another enrolment only by force', async () => {
    const [first, second] = [await enrolment('operator', 'root'), await enrolment('operator', 'dora')]
    expect((await writ('context', 'add', 'mine', '--enrolment', first)).code).toBe(0)
    const { code, err } = await writ('context', 'add', 'mine', '--enrolment', second)
    expect([code, err]).toEqual([3, expect.stringContaining('--force')])
    expect((await readContexts(file)).contexts['mine']).toEqual({ enrolment: first })
    expect((await writ('context', 'add', 'mine', '--enrolment', second, '--force')).code).toBe(0)
    expect((await readContexts(file)).contexts).toEqual({ mine: { enrolment: second } })
  })
})
