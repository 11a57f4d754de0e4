import { once } from 'node:events'
import { copyFile, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { openSession, type Session } from '@writ/agent-sdk'
import { runCli } from '@writ/cli'
import { commandMessage, type PublicJwk } from '@writ/contracts'
import { startGateway } from '@writ/gateway-sdk'
import {
  ephemeralSigner,
  generateJwk,
  openMessage,
  publicJwk,
  readKeyFile,
  signMessage,
  thumbprint,
  writeKeyFile,
} from '@writ/keys'
import { connectStore } from '@writ/plane'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { ensureEnrolled } from '../deploy/local/src/plant/ensure-enrolled.ts'
import { removeOperator } from '../packages/cli/src/identities/remove-operator.ts'
import { fileRecord } from '../packages/cli/src/operator/file-record.ts'
import { type CliStage, REGION, startCliStage } from './support/cli-stage.ts'

let stage: CliStage
beforeAll(async () => {
  stage = await startCliStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const CEILING = ['--users', 'u-bo', '--actions', 'telemetry-read', '--groups', 'press-hall']
const kidOf = async (file: string) => thumbprint(await readKeyFile(file))
const names = async (folder: string) => (await readdir(folder)).toSorted()
const create = (id: string, ...more: string[]) => stage.json('agent', 'create', id, ...CEILING, ...more)
const keysOf = async (id: string): Promise<string[]> => {
  const { value } = await stage.json('agent', 'show', id)
  return (value['record'] as { keys: Parameters<typeof thumbprint>[0][] }).keys.map(thumbprint)
}
/** A public JWK that nobody holds, in a file. */
async function otherKey(name: string): Promise<{ readonly file: string; readonly kid: string }> {
  const key = publicJwk(generateJwk('ES256'))
  const file = join(stage.home, `${name}.public.jwk`)
  await writeFile(file, JSON.stringify(key))
  return { file, kid: thumbprint(key) }
}

describe('writ … create, of a record that is in force', () => {
  test('keeps its keys, whatever folder is named or none', async () => {
    const { agent, dir, home, submit } = stage
    expect(await agent('upd-1')).toMatchObject({ code: 0 })
    const kid = await kidOf(join(dir('upd-1'), 'key.jwk'))
    const before = await readFile(join(dir('upd-1'), 'nats.creds'), 'utf8')

    expect(await create('upd-1', '--version', '2')).toMatchObject({ code: 0, value: { version: 2, keys: [kid] } })
    expect(await names(join(home, 'identities'))).not.toContain('agent-upd-1')
    expect(await submit('upd-1')).toMatchObject({ code: 0 })

    const { value } = await create('upd-1', '--version', '3', '--out', dir('upd-1'))
    expect(value).toMatchObject({ ok: true, version: 3, keys: [kid], enrolment: dir('upd-1') })
    expect(await readFile(join(dir('upd-1'), 'nats.creds'), 'utf8')).toBe(before)
    expect(await submit('upd-1')).toMatchObject({ code: 0 })

    const other = await create('upd-1', '--version', '4', '--out', dir('upd-1-elsewhere'))
    expect(other).toMatchObject({
      code: 3,
      value: { code: 'unknown_key', message: expect.stringContaining('key.jwk') },
    })
    await expect(readdir(dir('upd-1-elsewhere'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await keysOf('upd-1')).toEqual([kid])
  })

  test('refuses a folder whose key is not one of its keys, and changes nothing', async () => {
    const { agent, dir, json } = stage
    expect(await agent('upd-2')).toMatchObject({ code: 0 })
    const file = join(dir('upd-2'), 'key.jwk')
    const kid = await kidOf(file)
    await rename(file, `${file}.kept`)
    await writeKeyFile(file, generateJwk('ES256'))
    const wrong = await kidOf(file)
    for (const more of [[], ['--key', (await otherKey('upd-2')).file]]) {
      expect(await create('upd-2', '--version', '2', '--out', dir('upd-2'), ...more)).toMatchObject({
        code: 3,
        value: { code: 'unknown_key', message: expect.stringContaining(file), next: expect.any(String) },
      })
      expect(await json('agent', 'show', 'upd-2')).toMatchObject({ value: { version: 1 } })
    }
    expect([await keysOf('upd-2'), await kidOf(file)]).toEqual([[kid], wrong])
  })

  test('takes another key only where --key names it', async () => {
    const { agent } = stage
    const { file, kid } = await otherKey('upd-3')
    expect(await agent('upd-3')).toMatchObject({ code: 0 })
    expect(await create('upd-3', '--version', '2', '--key', file)).toMatchObject({ code: 0, value: { keys: [kid] } })
    expect(await keysOf('upd-3')).toEqual([kid])
  })

  test('keeps both keys while they are rotated', async () => {
    const { agent, dir, json, submit } = stage
    expect(await agent('upd-4')).toMatchObject({ code: 0 })
    expect(await json('agent', 'rotate-key', 'upd-4', '--package', dir('upd-4'))).toMatchObject({ code: 0 })
    const keys = await keysOf('upd-4')
    expect(keys).toHaveLength(2)
    expect(await create('upd-4', '--version', '3', '--out', dir('upd-4'))).toMatchObject({ code: 0, value: { keys } })
    expect(await json('agent', 'rotate-key', 'upd-4', '--package', dir('upd-4'), '--finish')).toMatchObject({ code: 0 })
    expect(await submit('upd-4')).toMatchObject({ code: 0 })
  })

  test('is the same for gateways, approvers and operators', async () => {
    const { dir, json } = stage
    for (const [kind, ...about] of [
      ['gateway', '--jurisdiction', REGION],
      ['approver', '--user', 'u-kim', '--roles', 'boss'],
      ['operator', '--user', 'u-kim'],
    ] as const) {
      const made = await json(kind, 'create', 'upd-5', ...about, '--out', dir(`upd-5-${kind}`))
      expect(made).toMatchObject({ code: 0 })
      const { code, value } = await json(kind, 'create', 'upd-5', ...about, '--version', '2')
      expect([code, value['keys']]).toEqual([0, made.value['keys']])
    }
  })

  test('finishes the package of an operator whose making was killed after the record', async () => {
    const { dir, json } = stage
    const create = (...more: string[]) =>
      json('operator', 'create', 'upd-7', '--user', 'u-pat', '--out', dir('upd-7'), ...more)
    expect(await create()).toMatchObject({ code: 0 })
    const kid = await kidOf(join(dir('upd-7'), 'key.jwk'))
    await rename(join(dir('upd-7'), 'key.jwk'), join(dir('upd-7'), 'key.next.jwk'))
    for (const file of ['enrolment.json', 'nats.creds']) await rm(join(dir('upd-7'), file))
    expect(await create('--version', '2')).toMatchObject({ code: 0, value: { keys: [kid], enrolment: dir('upd-7') } })
    expect(await names(dir('upd-7'))).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])
    expect(await json('agent', 'list', '--as', dir('upd-7'))).toMatchObject({ code: 0 })
  })

  test('with a version that is not the next makes no package', async () => {
    const { dir } = stage
    for (const version of ['2', '7'])
      expect(await create('upd-6', '--version', version, '--out', dir('upd-6'))).toMatchObject({
        code: 3,
        value: { code: 'wrong_version', message: 'The next version is 1.' },
      })
    await expect(readdir(dir('upd-6'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

/** Where a rotation can be killed: the files as they lie then, and whether the record has the new key, or no longer the old one. */
const KILLED = {
  'when the new key is made': { current: 'a', next: 'b', keys: 'a' },
  'when the record has both': { current: 'a', next: 'b', keys: 'ab' },
  'when the old key is kept beside': { current: 'a', next: 'b', old: 'a', keys: 'ab' },
  'when the package has the new key': { current: 'b', old: 'a', keys: 'ab' },
  'when the record has the new one alone': { current: 'b', old: 'a', keys: 'b' },
} as const
type Killed = (typeof KILLED)[keyof typeof KILLED] & { readonly next?: 'b'; readonly old?: 'a' }

describe('writ … rotate-key, killed', () => {
  let made = 0
  /** An agent whose rotation was killed there. */
  async function killed(point: Killed) {
    const { agent, dir, json } = stage
    const id = `killed-${made++}`
    expect(await agent(id)).toMatchObject({ code: 0 })
    const [current, next, old] = [join(dir(id), 'key.jwk'), join(dir(id), 'key.next.jwk'), join(dir(id), 'key.old.jwk')]
    const rotate = (...more: string[]) => json('agent', 'rotate-key', id, '--package', dir(id), ...more)
    const scratch = join(stage.home, 'scratch', id)
    await mkdir(scratch, { recursive: true })
    const [a, b] = [join(scratch, 'a'), join(scratch, 'b')]
    await copyFile(current, a)
    if (point.keys === 'a') await writeKeyFile(b, generateJwk('ES256'))
    else {
      expect(await rotate()).toMatchObject({ code: 0 })
      await copyFile(current, b)
      if (point.keys === 'b') expect(await rotate('--finish')).toMatchObject({ code: 0 })
    }
    for (const file of [current, next, old]) await rm(file, { force: true })
    await copyFile(point.current === 'a' ? a : b, current)
    if (point.next !== undefined) await copyFile(b, next)
    if (point.old !== undefined) await link(a, old)
    return { id, rotate, kids: { a: await kidOf(a), b: await kidOf(b) }, current }
  }
  /** Rotated whole: one key in the record, the same in the package, nothing beside it, and it signs. */
  async function expectWhole(id: string, kid: string): Promise<void> {
    const { dir, submit } = stage
    expect(await keysOf(id)).toEqual([kid])
    expect(await kidOf(join(dir(id), 'key.jwk'))).toBe(kid)
    expect(await names(dir(id))).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])
    expect(await submit(id)).toMatchObject({ code: 0 })
  }
  const points = Object.entries(KILLED) as [string, Killed][]
  const firstHalf = points.filter(([, { next }]) => next !== undefined)
  const secondHalf = points.filter(([, { next }]) => next === undefined)

  test.each(firstHalf)('%s: again does the rest; the second half alone is refused', async (_, point) => {
    const { id, rotate, kids, current } = await killed(point)
    const [keys, files] = [await keysOf(id), await names(stage.dir(id))]
    expect(await rotate('--finish')).toMatchObject({
      code: 3,
      value: { code: 'malformed', next: expect.stringMatching(/rotate-key \S+$/) },
    })
    expect([await keysOf(id), await names(stage.dir(id)), await kidOf(current)]).toEqual([keys, files, kids.a])
    expect(await rotate()).toMatchObject({ code: 0, value: { added: kids.b, keys: [kids.a, kids.b] } })
    expect(await rotate('--finish')).toMatchObject({ code: 0, value: { dropped: kids.a } })
    await expectWhole(id, kids.b)
  })
  test.each(secondHalf)('%s: the second half does the rest', async (_, point) => {
    const { id, rotate, kids } = await killed(point)
    expect(await rotate()).toMatchObject({ code: 3, value: { next: expect.stringContaining('--finish') } })
    expect(await rotate('--finish')).toMatchObject({ code: 0, value: { dropped: kids.a } })
    await expectWhole(id, kids.b)
  })
  test.each(points)('%s: --at-once again does the rest', async (_, point) => {
    const { id, rotate, kids } = await killed(point)
    expect(await rotate('--at-once')).toMatchObject({ code: 0, value: { dropped: kids.a, keys: [kids.b] } })
    await expectWhole(id, kids.b)
  })

  test('`npm start` in between keeps both keys of the record', async () => {
    const { json, stack } = stage
    expect(await json('approver', 'rotate-key', 'marta')).toMatchObject({ code: 0 })
    const marta = async () => (await json('approver', 'show', 'marta')).value
    const { version, record } = (await marta()) as { version: number; record: { keys: PublicJwk[]; user: string } }
    expect(record.keys).toHaveLength(2)
    const about = { user: record.user, roles: ['plant-manager'] }
    await ensureEnrolled(stack, 'approver', 'marta', (keys) => ({ keys, ...about }))
    expect(await marta()).toMatchObject({ version, record: { keys: record.keys } })
    expect(await json('approver', 'rotate-key', 'marta', '--finish')).toMatchObject({ code: 0 })
  })

  test('a next key beside a rotation that is not finished takes nothing’s place', async () => {
    const { id, rotate, kids, current } = await killed(KILLED['when the package has the new key'])
    await writeKeyFile(join(stage.dir(id), 'key.next.jwk'), generateJwk('ES256'))
    for (const more of [[], ['--finish'], ['--at-once']]) {
      expect(await rotate(...more)).toMatchObject({ code: 3 })
      expect([await keysOf(id), await kidOf(current)]).toEqual([[kids.a, kids.b], kids.b])
    }
  })
})

describe('writ … remove', () => {
  test('then create in the same folder makes a login that works', async () => {
    const { agent, dir, json, submit } = stage
    expect(await agent('back-1')).toMatchObject({ code: 0 })
    const { value } = await json('agent', 'remove', 'back-1')
    const { seq } = value['revoked'] as { seq: number }
    expect(await agent('back-1', '--version', '3')).toMatchObject({ code: 0, value: { revokes: [seq] } })
    expect(await json('lift', String(seq))).toMatchObject({ code: 0 })
    expect(await submit('back-1')).toMatchObject({ code: 0 })
    expect(await names(dir('back-1'))).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])
  })

  test('of a gateway takes its plan consumer away, also when an earlier try was interrupted', async () => {
    const { json, stack } = stage
    expect(await json('gateway', 'create', 'gw-gone', '--jurisdiction', REGION)).toMatchObject({ code: 0 })
    const store = await connectStore(stack.plane)
    try {
      const { consumers } = await jetstreamManager(store)
      expect((await consumers.info('PLANS', 'gateway-gw-gone')).name).toBe('gateway-gw-gone')
      expect(await json('gateway', 'remove', 'gw-gone')).toMatchObject({ code: 0, value: { consumer: true } })
      await expect(consumers.info('PLANS', 'gateway-gw-gone')).rejects.toMatchObject({ code: 10014 })
      expect(await json('gateway', 'remove', 'gw-gone')).toMatchObject({ code: 0, value: { consumer: false } })
    } finally {
      await store.close()
    }
  })
})

describe('a gateway that is made again under the id of one that was removed', () => {
  const reader = ['--users', 'u-bo', '--actions', 'telemetry-read', '--groups', 'attic']
  const place = ['--group', 'attic', '--jurisdiction', REGION, '--actions', 'telemetry-read']

  /** Asks for a device whose gateway is silent, in words, and stops waiting once those say on whom. */
  async function askAndLeave(agent: string, device: string, intentId: string) {
    const leave = new AbortController()
    let said = ''
    const sink = {
      write: (text: string) => {
        said += text
        if (said.includes('silent')) leave.abort()
      },
    }
    const what = ['--action', 'telemetry-read', '--target', device, '--user', 'u-bo', '--purpose', 'Look.']
    const as = ['--home', stage.home, 'intent', 'submit', '--agent', stage.dir(agent), '--intent-id', intentId]
    const code = await runCli([...as, ...what, '--wait'], { out: sink, err: sink, interrupted: () => leave.signal })
    return { code, said }
  }

  test.each([
    ['with its old key, but revoked meanwhile', 'gw-again-1', [], 'revoked'],
    ['with another key, and nothing revoked', 'gw-again-2', ['--no-revoke'], 'constraint_failed'],
  ] as const)('%s, refuses what waited for the old one, and does what is new', async (_, id, removal, code) => {
    const { json, dir, home } = stage
    const [device, agent, folder] = [`dev-${id}`, `ask-${id}`, dir(id)]
    const make = async (...version: string[]) => {
      const region = ['--jurisdiction', REGION]
      expect(await json('gateway', 'create', id, ...region, '--out', folder, ...version)).toMatchObject({ code: 0 })
      expect(await json('device', 'create', device, '--gateway', id, ...place, ...version)).toMatchObject({ code: 0 })
    }
    await make()
    expect(await json('agent', 'create', agent, ...reader, '--out', dir(agent))).toMatchObject({ code: 0 })
    const left = await askAndLeave(agent, device, 'old')
    expect(left).toMatchObject({
      code: 4,
      said: expect.stringContaining(`waits for gateway ${id} to begin: ${device}`),
    })

    expect(await json('device', 'remove', device, '--no-revoke')).toMatchObject({ code: 0 })
    expect(await json('gateway', 'remove', id, ...removal)).toMatchObject({ code: 0 })
    if (code === 'constraint_failed') await rm(folder, { recursive: true })
    await make('--version', '3')
    if (code === 'revoked') expect(await json('lift', 'gateway', id)).toMatchObject({ code: 0 })

    const refused: unknown[] = []
    const ran: string[] = []
    const gateway = await startGateway({
      enrolment: folder,
      stateDir: join(home, `state-${id}`),
      actions: { 'telemetry-read': ({ intentId }) => ({ ran: ran.push(intentId) }) },
      log: { info: () => undefined, warn: (said, what) => refused.push({ ...said, what }), error: () => undefined },
    })
    try {
      await gateway.ready
      const look = ['--action', 'telemetry-read', '--target', device, '--user', 'u-bo', '--purpose', 'Look.']
      const asked = ['intent', 'submit', '--agent', dir(agent), ...look, '--intent-id', 'new', '--wait']
      expect(await json(...asked)).toMatchObject({ code: 0 })
      expect(ran).toEqual(['new'])
      expect(refused).toEqual([expect.objectContaining({ what: 'A plan is refused.', reason: code })])
    } finally {
      await gateway[Symbol.asyncDispose]()
    }
  })
})

describe('writ operator remove', () => {
  test('keeps what the leaving one files while they are removed', async () => {
    const { agent, dir, json, stack, submit } = stage
    const leaves = dir('leaver')
    expect(await json('operator', 'create', 'leaver', '--user', 'u-lee', '--out', leaves)).toMatchObject({ code: 0 })
    expect(await agent('race-1', '--as', leaves)).toMatchObject({ code: 0 })
    await using leaver = await openSession({ enrolment: leaves })
    // Where the plane's folder is not at hand, the leaving operator stays connected.
    const root = interrupted(stack.operator, {
      removal: async () => expect(await agent('race-2', '--as', leaves)).toMatchObject({ code: 0 }),
      control: async () => {
        expect(await agent('race-3', '--as', leaves)).toMatchObject({ code: 0 })
        expect(await agent('race-1', '--as', leaves, '--version', '3')).toMatchObject({ code: 0 })
      },
    })
    const removed = await removeOperator(root, undefined, { id: 'leaver', reason: 'Leaves.' }, () => undefined)
    expect(removed.refiled).toEqual(['agent/race-1', 'agent/race-2', 'agent/race-1', 'agent/race-3'])
    expect(removed.keys).toEqual([await kidOf(join(leaves, 'key.jwk'))])
    for (const id of ['race-1', 'race-2', 'race-3']) {
      expect(await json('agent', 'show', id)).toMatchObject({ value: { state: 'active' } })
      expect(await submit(id)).toMatchObject({ code: 0 })
    }
    const filing = { kind: 'agent', id: 'race-1', record: null, reason: 'After.', version: 4 } as const
    await expect(fileRecord(leaver, filing)).rejects.toMatchObject({ code: 'unknown_key' })
    const again = await removeOperator(stack.operator, undefined, { id: 'leaver', reason: 'Left.' }, () => undefined)
    expect(again.refiled).toEqual([])
  })
})

/** The session, but something happens right before it first removes a record, or first publishes a control message. */
function interrupted(session: Session, happens: Record<'removal' | 'control', () => Promise<void>>): Session {
  const first = (what: 'removal' | 'control') => {
    const run = happens[what]
    happens[what] = async () => undefined
    return run()
  }
  const { bus, subjects, id } = session
  const request: Session['bus']['request'] = async (subject, body, options) => {
    const [line = ''] = subject === subjects.command(id) ? String(body).split('\n') : []
    if (line !== '' && openMessage(commandMessage, Buffer.from(line)).claims.record === null) await first('removal')
    return bus.request(subject, body, options)
  }
  const store: Session['bus']['store'] = async (subject, body, options) => {
    if (subject === subjects.control(id)) await first('control')
    return bus.store(subject, body, options)
  }
  return { ...session, bus: { ...bus, request, store } }
}

describe('writ cosign', () => {
  /** A command that waits for its second signature; a process of its own, as on another machine. */
  async function waiting(id: string, file: string) {
    const { home, start, dir } = stage
    const child = start('--home', home, 'agent', 'create', id, ...CEILING, '--out', dir(id), '--cosign-request', file)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => said.push(text))
    const said: string[] = []
    await vi.waitFor(() => stat(file), { timeout: 20_000 })
    return {
      /** Its exit code and document. */
      end: async (): Promise<[number | null, unknown]> => {
        if (child.exitCode === null) await once(child, 'close')
        return [child.exitCode, JSON.parse(said.join(''))]
      },
    }
  }

  test('shows a command of another machine’s operator, signs it only when told to, and it is filed with both', async () => {
    const { dir, home, json } = stage
    expect(await json('operator', 'create', 'second', '--user', 'u-sue', '--out', dir('second'))).toMatchObject({
      code: 0,
    })
    const file = join(home, 'two.command')
    const first = await waiting('two-1', file)
    const [there, as] = [join(home, 'there.command'), ['--as', dir('second')]]
    await copyFile(file, there)
    expect(await json('cosign', there, ...as)).toMatchObject({
      code: 0,
      value: {
        command: { iss: 'root', kind: 'agent', id: 'two-1', version: 1, record: { users: ['u-bo'] } },
        in_force: null,
      },
    })
    await expect(stat(`${there}.signed`)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await json('cosign', there, '--sign')).toMatchObject({ code: 3, value: { code: 'self_approval' } })
    expect(await json('agent', 'show', 'two-1')).toMatchObject({ code: 3 })

    expect(await json('cosign', there, '--sign', ...as)).toMatchObject({
      code: 0,
      value: { signed: `${there}.signed` },
    })
    await copyFile(`${there}.signed`, `${file}.signed`)
    expect(await first.end()).toMatchObject([0, { ok: true, id: 'two-1', version: 1 }])
    expect(await json('agent', 'show', 'two-1')).toMatchObject({
      value: { history: [{ version: 1, signed_by: ['root', 'second'], valid: true }] },
    })
    expect((await names(home)).filter((name) => name.startsWith('two.command'))).toEqual([])

    // The command was filed: there is nothing left to sign in it.
    expect(await json('cosign', there, '--sign', ...as)).toMatchObject({ code: 3, value: { code: 'wrong_version' } })
    // A signature under another command is waited past, and what is no signature too.
    const second = await waiting('two-2', file)
    await copyFile(`${there}.signed`, `${file}.signed`)
    const other = join(home, 'other.command')
    await copyFile(file, other)
    expect(await json('cosign', other, '--sign', ...as)).toMatchObject({ code: 0 })
    await writeFile(`${file}.signed`, 'half of a si')
    await copyFile(`${other}.signed`, `${file}.signed`)
    expect(await second.end()).toMatchObject([0, { ok: true, id: 'two-2' }])
  })

  test('signs nothing that was changed, is no command, or is nobody’s', async () => {
    const { dir, home, json, stack } = stage
    const file = join(home, 'bad.command')
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: 'root',
      aud: stack.operator.authority.audience,
      iat: now,
      exp: now + 300,
      jti: 'j-1',
      kind: 'agent' as const,
      id: 'bad-1',
      version: 1,
      record: null,
      reason: 'x',
    }
    const forged = await signMessage(ephemeralSigner(), commandMessage, claims)
    const old = { ...claims, iat: now - 600, exp: now - 300 }
    for (const [text, code] of [
      [forged, 'unknown_key'],
      [await signMessage(stack.operator.signer, commandMessage, old), 'expired'],
      ['no command', 'malformed'],
    ] as const) {
      await writeFile(file, `${text}\n`)
      expect(await json('cosign', file, '--sign', '--as', dir('second')), code).toMatchObject({
        code: 3,
        value: { code },
      })
      await expect(stat(`${file}.signed`)).rejects.toMatchObject({ code: 'ENOENT' })
    }
  })
})
