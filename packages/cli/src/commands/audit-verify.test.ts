import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatVkey, writeSubjectKeysFile } from '@writ/audit'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  heartbeats,
  ORIGIN,
  pins,
  plant,
  REGION,
  seal,
  subjectKeys,
  type TestSource,
  vkeys,
} from '../../../audit/src/testing/plant-log.ts'
import { runCli } from '../program.ts'

let made: string
let dir: string
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'writ-cli-log-'))
  const { messages, opening } = await plant()
  await seal(made, opening, [messages])
})
afterAll(() => rm(made, { recursive: true, force: true }))
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-cli-verify-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function writ(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: '', err: '' }
  const code = await runCli(['--home', join(dir, 'home'), ...args], {
    out: { write: (text) => (written.out += text) },
    err: { write: (text) => (written.err += text) },
  })
  return { code, ...written }
}

const vkey = () => formatVkey(vkeys[0] as (typeof vkeys)[number])

async function trustFile(content: object): Promise<string> {
  const path = join(dir, 'trust.json')
  await writeFile(path, JSON.stringify(content))
  return path
}

test('a copy of the folder verifies with only the key and the pins', async () => {
  await cp(made, join(dir, 'copy'), { recursive: true })
  const trust = await trustFile({ ...pins })
  const { code, out, err } = await writ('audit', 'verify', join(dir, 'copy'), '--vkey', vkey(), '--trust', trust)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('documents  13, of which 6 are sealed')
  expect(out).toMatch(/^VERIFIED: the audit log audit\.example.* of 20 entries/m)
})

test('an enrolment package pins the log key too, and the local plane everything', async () => {
  const trust = await trustFile({ kind: 'agent', trust: { ...pins, log_vkeys: [vkey()], two_person: [] } })
  expect((await writ('audit', 'verify', made, '--trust', trust)).code).toBe(0)
  await mkdir(join(dir, 'home'))
  const operator = { id: 'root', key_file: join(dir, 'home', 'root', 'key.jwk'), credentials_file: 'nats.creds' }
  const log = { store: `file:${made}`, log_origin: ORIGIN, log_vkey: vkey() }
  const rest = { nats_url: 'nats://x', redis_url: 'redis://x', operator, provisioning: { dir: 'x' }, services: {} }
  const local = { region: REGION, trust: pins, ...log, ...rest }
  await writeFile(join(dir, 'home', 'local.json'), JSON.stringify(local))
  const { code, out } = await writ('audit', 'verify', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(out)).toMatchObject({ ok: true, origin: ORIGIN, size: 20, findings: [] })
})

test('a log that does not verify ends with 6 and names what is wrong', async () => {
  await cp(made, join(dir, 'copy'), { recursive: true })
  const bundle = join(dir, 'copy', ORIGIN, 'tile/entries/000.p/20')
  const bytes = await readFile(bundle)
  bytes[5000] = (bytes[5000] as number) ^ 1
  await rm(bundle)
  await writeFile(bundle, bytes)
  const trust = await trustFile({ ...pins })
  const args = ['audit', 'verify', join(dir, 'copy'), '--vkey', vkey(), '--trust', trust]
  const people = await writ(...args)
  expect(people.code).toBe(6)
  expect(people.out).toMatch(/entry_altered {2}leaf \d+/)
  expect(people.out).toMatch(/^NOT VERIFIED: .* wrong with the audit log/m)
  const machine = await writ('--json', ...args)
  expect(machine.code).toBe(6)
  const found = JSON.parse(machine.out) as { ok: boolean; findings: { verdict: string }[] }
  expect([found.ok, found.findings[0]?.verdict]).toEqual([false, 'entry_altered'])
})

test('tells a terminal how far it has come, and nobody else', async () => {
  const long = join(dir, 'long')
  const { messages, sources, opening } = await plant()
  const many = await heartbeats(sources['token-issuer'] as TestSource, 300)
  await seal(long, opening, [[...messages, ...many]])
  const trust = await trustFile({ ...pins, log_vkeys: [vkey()] })
  const told = async (isTTY: boolean, ...more: string[]) => {
    let err = ''
    const args = ['audit', 'verify', long, '--trust', trust, ...more]
    const sink = { write: (text: string) => (err += text), isTTY }
    expect(await runCli(args, { out: { write: () => undefined }, err: sink })).toBe(0)
    return err
  }
  expect(await told(true)).toMatch(/verifying 256 of \d+ entries \(\d+ %\), [\d,]+ a second/)
  expect([await told(false), await told(true, '--json')]).toEqual(['', ''])
})

test('counts two operators where the pins say that a kind needs them, and says so where they do not', async () => {
  const args = async (content: object) => ['audit', 'verify', made, '--trust', await trustFile(content)]
  const all = { ...pins, log_vkeys: [vkey()] }
  expect((await writ(...(await args(all)))).out).toContain('Not judged: whether records have the second operator')
  const none = await writ(...(await args({ ...all, two_person: [] })))
  expect([none.code, none.out]).toEqual([0, expect.not.stringContaining('second operator')])
  const agents = await writ(...(await args({ kind: 'agent', trust: { ...all, two_person: ['agent'] } })), '--complete')
  expect(agents.code).toBe(6)
  expect(agents.out).toContain('The record agent a1 version 1 was filed without a second operator’s signature')
})

test('opens sealed documents with a file of keys', async () => {
  const file = join(dir, 'keys.json')
  await writeSubjectKeysFile(
    file,
    [...subjectKeys].map(([kid, key]) => ({ kid, key })),
  )
  const trust = await trustFile({ ...pins, log_vkeys: [vkey()] })
  const { code, out } = await writ('audit', 'verify', made, '--trust', trust, '--subject-keys', file, '--complete')
  expect(code).toBe(0)
  expect(out).toContain('of which 0 are sealed')
})

test('a folder without a log, and pins that cannot be read, are no verdict', async () => {
  const trust = await trustFile({ ...pins })
  expect((await writ('audit', 'verify', dir, '--vkey', vkey(), '--trust', trust)).code).toBe(4)
  expect((await writ('audit', 'verify', made, '--trust', join(dir, 'none'))).code).toBe(4)
  expect((await writ('audit', 'verify', made, '--trust', trust)).code).toBe(3)
  expect((await writ('audit', 'verify', made)).code).toBe(4)
})
