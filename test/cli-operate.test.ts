import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runCli } from '@writ/cli'
import { ANY } from '@writ/contracts'
import { readKeyFile, thumbprint } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lineOfEvent } from '../packages/cli/src/intents/lines-of-intent.ts'
import { listIntents } from '../packages/cli/src/intents/list-intents.ts'
import { pollIntents } from '../packages/cli/src/intents/poll-intents.ts'
import { isKnown } from '../packages/cli/src/revocations/known-name.ts'
import { render } from '../packages/cli/src/terminal/style.ts'
import { type CliStage, LOOK, REGION, startCliStage } from './support/cli-stage.ts'
import { ownProcess } from './support/own-process.ts'

let stage: CliStage
beforeAll(async () => {
  stage = await startCliStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const kidOf = async (file: string) => thumbprint(await readKeyFile(file))
const names = async (folder: string) => (await readdir(folder)).toSorted()

/** Every line that a command writes, parsed: a line that is no JSON document throws. */
function documents(child: ChildProcess): AsyncIterable<Record<string, unknown>> {
  if (child.stdout === null) throw new Error('no stdout')
  const lines = createInterface({ input: child.stdout })
  return (async function* () {
    for await (const line of lines) yield JSON.parse(line) as Record<string, unknown>
  })()
}

describe('writ … list, show', () => {
  test('tell of every record from the signed records themselves', async () => {
    const { json, writ, agent } = stage
    expect(await agent('line-1')).toMatchObject({ code: 0 })
    const { value } = await json('agent', 'list')
    expect(value).toMatchObject({
      ok: true,
      items: [
        { kind: 'agent', id: 'line-1', version: 1, state: 'active', record: { users: ['u-bo'] }, revokes: [] },
        { id: 'maintenance' },
      ],
    })
    for (const kind of ['gateway', 'device', 'approver', 'operator'])
      expect(await json(kind, 'list')).toMatchObject({ code: 0, value: { ok: true } })
    const { out } = await writ('device', 'list')
    expect(out.split('\n')[0]).toMatch(/^ID +STATE +VERSION +GATEWAY +GROUP +ACTIONS +FLOORS$/)
    expect(await json('agent', 'show', 'nobody')).toMatchObject({ code: 3, value: { code: 'unknown_agent' } })
  })

  test('what somebody put into a record is only shown by a terminal', async () => {
    const { json, writ } = stage
    const user = 'u-\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}'
    const ceiling = ['--actions', 'restart', '--groups', 'press-hall']
    expect(await json('agent', 'create', 'evil', '--users', user, ...ceiling)).toMatchObject({ code: 0 })
    for (const args of [['list'], ['show', 'evil']]) {
      const { out } = await writ('agent', ...args)
      expect(out).toContain('u-\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{202e}')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    }
    const { value } = await json('agent', 'show', 'evil')
    expect(value).toMatchObject({ record: { users: [user] } })
    expect(await json('agent', 'remove', 'evil', '--no-revoke')).toMatchObject({ code: 0 })
  })
})

describe('writ … rotate-key', () => {
  test('keeps the old key good until the second half, and its file until then', async () => {
    const { json, agent, submit, dir } = stage
    const before = join(stage.home, 'made', 'before')
    expect(await agent('turn-1')).toMatchObject({ code: 0 })
    await cp(dir('turn-1'), before, { recursive: true })
    const old = await kidOf(join(dir('turn-1'), 'key.jwk'))
    const rotate = (...more: string[]) => json('agent', 'rotate-key', 'turn-1', '--package', dir('turn-1'), ...more)

    const { code, value } = await rotate()
    const added = await kidOf(join(dir('turn-1'), 'key.jwk'))
    expect([code, value]).toMatchObject([0, { version: 2, keys: [old, added], added, finished: false }])
    expect(await names(dir('turn-1'))).toEqual(['enrolment.json', 'key.jwk', 'key.old.jwk', 'nats.creds'])
    expect(await kidOf(join(dir('turn-1'), 'key.old.jwk'))).toBe(old)
    expect(await submit('turn-1')).toMatchObject({ code: 0 })
    expect(await submit('before')).toMatchObject({ code: 0 })
    expect(await rotate()).toMatchObject({ code: 3, value: { next: expect.stringContaining('--finish') } })

    expect(await rotate('--finish')).toMatchObject({ code: 0, value: { version: 3, keys: [added], dropped: old } })
    expect(await names(dir('turn-1'))).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])
    expect(await submit('turn-1')).toMatchObject({ code: 0 })
    expect(await json('doctor', '--enrolment', before)).toMatchObject({
      code: 4,
      value: { findings: expect.arrayContaining([expect.objectContaining({ check: 'key in force', grade: 'fail' })]) },
    })
  })

  test('changes no file where the record is refused, and goes on where it was interrupted', async () => {
    const { json, agent, dir, submit } = stage
    expect(await agent('turn-2')).toMatchObject({ code: 0 })
    const [current, next, old] = ['key.jwk', 'key.next.jwk', 'key.old.jwk'].map((name) => join(dir('turn-2'), name))
    if (current === undefined || next === undefined || old === undefined) throw new Error('three names')
    const kid = await kidOf(current)
    const rotate = (...more: string[]) => json('agent', 'rotate-key', 'turn-2', '--package', dir('turn-2'), ...more)
    expect(await rotate('--as', dir('line-1'))).toMatchObject({ code: 3, value: { code: 'wrong_role' } })
    expect(await names(dir('turn-2'))).toEqual(['enrolment.json', 'key.jwk', 'nats.creds'])

    const { value } = await rotate()
    // As if it had been killed between the record and the files.
    await rename(current, next)
    await rename(old, current)
    expect(await kidOf(current)).toBe(kid)
    expect(await rotate()).toMatchObject({ code: 0, value: { version: 2, added: value['added'] } })
    expect([await kidOf(current), await kidOf(old)]).toEqual([value['added'], kid])
    expect(await rotate('--finish')).toMatchObject({ code: 0, value: { version: 3 } })
    expect(await submit('turn-2')).toMatchObject({ code: 0 })
  })

  test('at once, for a gateway or approver too; a pinned operator’s key is no record’s', async () => {
    const { json, dir, home } = stage
    const marta = join(home, 'identities', 'approver-marta')
    const old = await kidOf(join(marta, 'key.jwk'))
    const { code, value } = await json('approver', 'rotate-key', 'marta', '--at-once')
    expect([code, value]).toMatchObject([0, { version: 3, dropped: old, finished: true }])
    expect(value['keys']).toEqual([await kidOf(join(marta, 'key.jwk'))])
    expect(await json('operator', 'rotate-key', 'root')).toMatchObject({ code: 3, value: { code: 'wrong_role' } })
    expect(await json('agent', 'rotate-key', 'turn-1', '--finish', '--package', dir('turn-1'))).toMatchObject({
      code: 3,
      value: { code: 'malformed' },
    })
  })
})

describe('writ suspend, resume, revocation list', () => {
  test('stop and let go by name, and list what stands with its reason', async () => {
    const { json, writ, submit } = stage
    const { value } = await json('suspend', 'agent', 'line-1', '--reason', 'Until the key is found.')
    expect(value).toMatchObject({ ok: true, confirmed: ['gw-packaging', 'gw-press-hall'] })
    expect(await json('revocation', 'list')).toMatchObject({
      code: 0,
      value: { items: [{ seq: value['seq'], scope: 'agent', id: 'line-1', reason: 'Until the key is found.' }] },
    })
    expect(await json('agent', 'show', 'line-1')).toMatchObject({
      value: { state: 'suspended', revokes: [value['seq']] },
    })
    expect(await submit('line-1')).toMatchObject({ code: 5, value: { status: { reasons: [{ code: 'revoked' }] } } })
    expect(await json('token', 'list', '--agent', 'line-1', '--live')).toMatchObject({ code: 0, value: { items: [] } })

    expect(await json('resume', 'agent', 'line-1')).toMatchObject({ code: 0, value: { lifted: [value['seq']] } })
    expect(await submit('line-1')).toMatchObject({ code: 0 })
    expect(await json('resume', 'agent', 'line-1')).toMatchObject({ code: 3, value: { code: 'malformed' } })
    expect((await writ('revocation', 'list')).out).toBe('Nothing is revoked.\n')
    expect((await writ('revocation', 'list', '--all')).out).toMatch(
      /genesis[\s\S]*revoke +agent line-1[\s\S]*lift +\d+/,
    )
  })
  test('an approver is the person; somebody unknown is refused', async () => {
    const { json } = stage
    expect(await json('suspend', 'approver', 'samir')).toMatchObject({ code: 0 })
    expect(await json('revocation', 'list')).toMatchObject({ value: { items: [{ scope: 'user', id: 'u-samir' }] } })
    expect(await json('approver', 'list')).toMatchObject({
      value: { items: expect.arrayContaining([expect.objectContaining({ id: 'samir', state: 'suspended' })]) },
    })
    expect(await json('resume', 'approver', 'samir')).toMatchObject({ code: 0 })
    expect(await json('suspend', 'agent', 'nobody')).toMatchObject({ code: 3, value: { code: 'unknown_agent' } })
  })
  test('a name that no record has is refused, unless it is forced: then it says that it is not known', async () => {
    const { json, writ } = stage
    const before = await json('revocation', 'list', '--all')
    const other = (scope: string) => `${scope}-typo`
    const thumb = 'x'.repeat(43)
    for (const [scope, id, code] of [
      ['agent', other('agent'), 'unknown_agent'],
      ['device', other('device'), 'unknown_device'],
      ['gateway', other('gateway'), 'unknown_key'],
      ['group', other('group'), 'malformed'],
      ['user', other('user'), 'malformed'],
      ['key', thumb, 'unknown_key'],
    ] as const)
      expect([scope, await json('revoke', scope, id)]).toMatchObject([
        scope,
        { code: 3, value: { ok: false, code, next: expect.stringContaining('--force') } },
      ])
    expect(await json('suspend', 'group', 'group-typo')).toMatchObject({ code: 3, value: { code: 'malformed' } })
    expect(await json('revocation', 'list', '--all')).toEqual(before)

    const forced = await json('revoke', 'agent', 'agent-typo', '--force')
    expect(forced).toMatchObject({ code: 0, value: { ok: true, known: false } })
    const { out } = await writ('suspend', 'device', 'device-typo', '--force')
    expect(out).toContain('no record has that name')
    expect(out).not.toContain('nothing it names still runs')
    for (const [scope, id] of [
      ['agent', 'agent-typo'],
      ['device', 'device-typo'],
    ] as const)
      expect(await json('lift', scope, id)).toMatchObject({ code: 0 })
  })
  test('keys of services and of agents are known, by their ids, and groups by the records that name them', async () => {
    const { json, stack, dir } = stage
    const kids = [await kidOf(join(dir('line-1'), 'key.jwk'))]
    await stack.operator.reader.signers()
    for await (const { subject } of stack.operator.bus.read('SIGNERS', {
      fromSeq: 1,
      filter: stack.operator.subjects.registry('key', ANY),
    })) {
      const kid = subject.split('.').at(-1) ?? ''
      if (stack.operator.authority.trust.endorsementsOf(kid).length > 0) kids.push(kid)
    }
    expect(kids.length).toBeGreaterThan(1)
    for (const kid of kids) expect(await isKnown(stack.operator, 'key', kid)).toBe('yes')
    expect(await isKnown(stack.operator, 'group', 'press-hall')).toBe('yes')
    expect(await json('revoke', 'user', 'u-bo')).toMatchObject({ code: 0, value: { known: true } })
    expect(await json('lift', 'user', 'u-bo')).toMatchObject({ code: 0 })
  })
  test('what is no id or no reason is said to be that', async () => {
    const { json } = stage
    const mistakes = [
      ['revoke', 'agent', 'a b', '--force'],
      ['revoke', 'key', 'notathumbprint', '--force'],
      ['suspend', 'agent', 'line-1', '--reason', ''],
    ]
    for (const args of mistakes) expect(await json(...args)).toMatchObject({ code: 3, value: { code: 'malformed' } })
  })
})

describe('writ token', () => {
  test('lists and shows what was issued, and whether it still counts', async () => {
    const { json, submit, agent } = stage
    expect(await agent('tok-1')).toMatchObject({ code: 0 })
    const { value: intent } = await submit('tok-1')
    const { value } = await json('token', 'list', '--agent', 'tok-1')
    const [token] = value['items'] as { token_id: string; state: string; intent_digest: string; scope: string[] }[]
    expect(token).toMatchObject({
      state: 'live',
      intent_digest: intent['intent_digest'],
      scope: ['device:telemetry-read:press-07'],
    })
    const id = token?.token_id ?? ''
    expect(await json('token', 'show', id)).toMatchObject({ code: 0, value: { token_id: id, user: 'u-bo' } })
    expect(await json('revoke', 'token', id)).toMatchObject({ code: 0 })
    expect(await json('token', 'show', id)).toMatchObject({ code: 0, value: { state: 'revoked' } })
    expect(await json('lift', 'token', id)).toMatchObject({ code: 0 })
    // A lift revives no token.
    expect(await json('token', 'show', id)).toMatchObject({ code: 0, value: { state: 'revoked' } })
    expect(await json('token', 'show', 'nope')).toMatchObject({ code: 3, value: { code: 'token_unknown' } })
  })
  test('says that it cannot say while Redis does not answer', async () => {
    const { json, stack } = stage
    const paused = ownProcess(stack, 'redis-server')
    paused.signal('SIGSTOP')
    try {
      expect(await json('token', 'list')).toMatchObject({ code: 4, value: { code: 'unavailable' } })
    } finally {
      paused.signal('SIGCONT')
    }
  })
})

describe('writ intent', () => {
  test('list tells an operator of everybody’s, an agent of its own, and by state', async () => {
    const { json, submit, dir } = stage
    expect(await submit('line-1', '--intent-id', 'seen-1')).toMatchObject({ code: 0 })
    const { value } = await json('intent', 'list')
    expect(value['items']).toContainEqual(
      expect.objectContaining({ agent_id: 'line-1', status: expect.objectContaining({ intent_id: 'seen-1' }) }),
    )
    const own = await json('intent', 'list', '--as', dir('tok-1'))
    const ids = (own.value['items'] as { agent_id: string }[]).map(({ agent_id }) => agent_id)
    expect([own.code, new Set(ids)]).toEqual([0, new Set(['tok-1'])])
    expect(await json('intent', 'list', '--state', 'needs_approval')).toMatchObject({ value: { items: [] } })
    expect(await json('intent', 'list', '--limit', '1')).toMatchObject({
      value: { items: [expect.anything()], more: expect.any(Number), agents_known: true },
    })
  })

  test('list of too many agents to be asked one by one has all of their intents, and says that it does not know whose', async () => {
    const { stack } = stage
    const known = await listIntents(stack.operator, undefined)
    const all = await listIntents(stack.operator, undefined, 1)
    const ids = ({ items }: typeof all) => items.map(({ status }) => status.intent_digest).toSorted()
    expect([ids(all), known.asked.agents_known]).toEqual([ids(known), true])
    expect(all.asked).toEqual({ agents: known.asked.agents, agents_known: false })
    expect(all.items.every(({ agent_id }) => agent_id === undefined)).toBe(true)
  })

  test('cancel ends one that waits for people; watch follows it, one document a line, to its end', async () => {
    const { json, start, dir, home } = stage
    const floors = join(home, 'floors.json')
    await writeFile(floors, JSON.stringify({ 'telemetry-read': { approvals: { count: 1, roles: ['plant-manager'] } } }))
    const about = ['--gateway', 'gw-press-hall', '--group', 'press-hall', '--jurisdiction', REGION]
    const device = ['device', 'create', 'pump-1', ...about, '--actions', 'telemetry-read', '--floors', floors]
    expect(await json(...device)).toMatchObject({ code: 0 })
    const watching = start('intent', 'watch', 'slow-1', '--agent', dir('line-1'))
    const ask = ['--action', 'telemetry-read', '--target', 'pump-1', '--user', 'u-bo', '--purpose', 'Look.']
    expect(await json('intent', 'submit', '--agent', dir('line-1'), ...ask, '--intent-id', 'slow-1')).toMatchObject({
      code: 0,
      value: { intent_id: 'slow-1' },
    })
    const states: unknown[] = []
    for await (const event of documents(watching)) {
      states.push((event['status'] as { state?: string } | undefined)?.state)
      if (states.at(-1) === 'needs_approval')
        expect(await json('intent', 'cancel', 'slow-1', '--agent', dir('line-1'), '--wait')).toMatchObject({
          code: 0,
          value: { ok: true, status: { state: 'cancelled' } },
        })
    }
    if (watching.exitCode === null) await once(watching, 'exit')
    expect([watching.exitCode, states.at(-1)]).toEqual([5, 'cancelled'])
    expect(await json('intent', 'cancel', 'slow-1', '--agent', dir('line-1'))).toMatchObject({
      code: 3,
      value: { code: 'malformed' },
    })
  })

  test('cancel --wait and watch that are interrupted before the end do not say that it went well', async () => {
    const { json, dir, home } = stage
    const ask = ['--action', 'telemetry-read', '--target', 'pump-1', '--user', 'u-bo', '--purpose', 'Look.']
    expect(await json('intent', 'submit', '--agent', dir('line-1'), ...ask, '--intent-id', 'slow-2')).toMatchObject({
      code: 0,
    })
    const interrupted = async (...args: string[]) => {
      let out = ''
      const sink = { write: (text: string) => (out += text) }
      const about = ['slow-2', '--agent', dir('line-1')]
      const code = await runCli(['--home', home, '--json', 'intent', ...args, ...about], {
        out: sink,
        err: sink,
        interrupted: () => AbortSignal.abort(),
      })
      return { code, out }
    }
    expect(await interrupted('watch')).toEqual({ code: 4, out: '' })
    for (;;) {
      const { value } = await json('intent', 'status', 'slow-2', '--agent', dir('line-1'))
      if ((value['status'] as { state?: string } | undefined)?.state === 'needs_approval') break
    }
    const { code, out } = await interrupted('cancel', '--wait')
    expect([code, JSON.parse(out)]).toMatchObject([4, { ok: false, intent_id: 'slow-2' }])
  })

  test('watch goes on until it is interrupted: each step as its gateway signed it, and an operator sees everybody’s', async () => {
    const { submit, start, dir, json } = stage
    const own = start('intent', 'watch', '--agent', dir('line-1'))
    const all = start('intent', 'watch')
    const seen = { own: [] as Record<string, unknown>[], all: [] as Record<string, unknown>[] }
    const reading = Promise.all([
      (async () => {
        for await (const event of documents(own)) {
          seen.own.push(event)
          // A second one would end it at once, as Ctrl-C twice does.
          if (!own.killed && (event['status'] as { state?: string } | undefined)?.state === 'succeeded')
            own.kill('SIGINT')
        }
      })(),
      (async () => {
        for await (const event of documents(all)) {
          seen.all.push(event)
          if (!all.killed && (event['status'] as { state?: string } | undefined)?.state === 'succeeded')
            all.kill('SIGINT')
        }
      })(),
    ])
    const ended = Promise.all([once(own, 'exit'), once(all, 'exit')])
    const deadline = performance.now() + 60_000
    for (let n = 0; seen.own.length === 0 || seen.all.length === 0; n++) {
      const { value } = await submit('line-1', '--intent-id', `watched-${n}`)
      expect(value).toMatchObject({ ok: true })
      if (performance.now() > deadline) throw new Error(JSON.stringify(await json('intent', 'list')))
    }
    expect((await ended).map(([code]) => code as number)).toEqual([0, 0])
    await reading
    expect(seen.own.find(({ type }) => type === 'outcome')).toMatchObject({
      agent_id: 'line-1',
      gateway_id: 'gw-press-hall',
      outcome: { iss: 'gw-press-hall', device_id: 'press-07' },
    })
    expect(seen.all.find(({ type }) => type === 'step')).toMatchObject({
      agent_id: 'line-1',
      intent_id: expect.stringMatching(/^watched-/),
      step: { device_id: 'press-07', gateway_id: 'gw-press-hall' },
    })
    expect(seen.all.find(({ type }) => type === 'status')).toMatchObject({
      agent_id: 'line-1',
      status: { iss: 'intent-gateway' },
    })
  })
  test('watch shows an operator each step once, a line each; of too many agents it does not say whose', async () => {
    const { stack, submit } = stage
    const stop = new AbortController()
    const lines: string[] = []
    const states = new Map<string, string[]>()
    const watching = (async () => {
      for await (const event of pollIntents(stack.operator, stop.signal, 1)) {
        lines.push(render(lineOfEvent(event), false))
        expect(event.agent_id).toBeUndefined()
        if (event.type === 'step')
          states.set(event.intent_id, [...(states.get(event.intent_id) ?? []), event.step.state])
        if (event.type === 'status' && event.status.state === 'succeeded') stop.abort()
      }
    })()
    for (let n = 0; !stop.signal.aborted; n++) await submit('line-1', '--intent-id', `polled-${n}`)
    await watching
    expect(lines).toContainEqual(expect.stringMatching(/ {2}polled-\d+\/\S+ {2}press-07 via gw-press-hall: succeeded$/))
    for (const said of states.values()) expect(new Set(said).size).toBe(said.length)
  })
})

describe('writ … remove, credentials', () => {
  test('an agent that is removed is out: no login, no token, no record; made again it must be let in', async () => {
    const { json, agent, submit, dir } = stage
    expect(await agent('gone-1')).toMatchObject({ code: 0 })
    expect(await submit('gone-1')).toMatchObject({ code: 0 })
    const { code, value } = await json('agent', 'remove', 'gone-1', '--reason', 'No longer used.')
    const { seq } = value['revoked'] as { seq: number }
    expect([code, value]).toMatchObject([0, { version: 2, credentials: 1, revoked: { running: [] } }])
    expect(await json('token', 'list', '--agent', 'gone-1')).toMatchObject({ value: { items: [{ state: 'revoked' }] } })
    expect(await submit('gone-1')).toMatchObject({
      code: 4,
      value: { code: 'unavailable', message: expect.stringContaining('refuses the login') },
    })
    expect(await json('doctor', '--enrolment', dir('gone-1'))).toMatchObject({
      code: 4,
      value: {
        findings: expect.arrayContaining([
          expect.objectContaining({ check: 'login', grade: 'fail', mend: 'writ credentials renew agent gone-1' }),
        ]),
      },
    })
    expect(await json('agent', 'list', '--all')).toMatchObject({
      value: {
        items: expect.arrayContaining([expect.objectContaining({ id: 'gone-1', state: 'removed', record: null })]),
      },
    })
    // Again: nothing is left to do, and nothing happens twice.
    expect(await json('agent', 'remove', 'gone-1')).toMatchObject({ code: 0, value: { version: 2 } })

    await rm(dir('gone-1'), { recursive: true })
    expect(await agent('gone-1', '--version', '3')).toMatchObject({ code: 0, value: { revokes: [seq] } })
    expect(await json('lift', String(seq))).toMatchObject({ code: 0 })
    expect(await submit('gone-1')).toMatchObject({ code: 0 })
  })

  test('credentials that were withdrawn are renewed, and only then work again', async () => {
    const { json, submit, dir } = stage
    expect(await json('credentials', 'revoke', 'agent', 'line-1')).toMatchObject({ code: 0, value: { withdrawn: 1 } })
    expect(await submit('line-1')).toMatchObject({ code: 4 })
    const before = await readFile(join(dir('line-1'), 'nats.creds'), 'utf8')
    const { code, value } = await json('credentials', 'renew', 'agent', 'line-1', '--package', dir('line-1'))
    const after = await readFile(join(dir('line-1'), 'nats.creds'), 'utf8')
    expect([code, after === before]).toEqual([0, false])
    for (const line of after.split('\n').filter((each) => each.startsWith('SU')))
      expect(JSON.stringify(value)).not.toContain(line)
    expect(await submit('line-1')).toMatchObject({ code: 0 })
    expect(await json('credentials', 'renew', 'agent', 'line-1', '--package', dir('tok-1'))).toMatchObject({ code: 3 })
    expect(await json('credentials', 'revoke', 'agent', 'nosuch')).toMatchObject({
      code: 3,
      value: { ok: false, code: 'malformed', message: expect.stringContaining('made no NATS login for agent nosuch') },
    })
  })

  test('an operator leaves in order: records filed again, record null, each key revoked; nobody loses authority', async () => {
    const { json, agent, submit, dir, stack } = stage
    expect(await json('operator', 'create', 'deputy', '--user', 'u-dora', '--out', dir('deputy'))).toMatchObject({
      code: 0,
    })
    const first = await kidOf(join(dir('deputy'), 'key.jwk'))
    expect(await agent('kept-1', '--as', dir('deputy'))).toMatchObject({ code: 0 })
    const turned = await json('operator', 'rotate-key', 'deputy', '--at-once', '--package', dir('deputy'))
    const second = await kidOf(join(dir('deputy'), 'key.jwk'))
    expect(turned).toMatchObject({ code: 0, value: { keys: [second], dropped: first } })
    // The earlier key counts until a revoke names it, so what it signed is in force.
    expect(await submit('kept-1')).toMatchObject({ code: 0 })

    const self = await json('operator', 'remove', 'deputy', '--as', dir('deputy'))
    expect(self).toMatchObject({ code: 3, value: { code: 'wrong_role', next: expect.stringContaining('--as') } })
    expect(await json('operator', 'remove', 'root')).toMatchObject({ code: 3, value: { code: 'wrong_role' } })

    const { code, value } = await json('operator', 'remove', 'deputy', '--reason', 'She leaves.')
    expect([code, value]).toMatchObject([0, { version: 4, credentials: 1, refiled: ['agent/kept-1'] }])
    expect((value['keys'] as string[]).toSorted()).toEqual([first, second].toSorted())
    const { bus, subjects } = stack.operator
    const refiled = await bus.lastBySubject('REGISTRY', subjects.registry('agent', 'kept-1'))
    const removed = await bus.lastBySubject('SIGNERS', subjects.registry('operator', 'deputy'))
    const revoked = await bus.lastBySubject('CONTROL', subjects.controlAll)
    const times = [refiled, removed, revoked].map((stored) => stored?.timeMs ?? 0)
    expect(times).toEqual(times.toSorted((a, b) => a - b))

    expect(await json('agent', 'show', 'kept-1')).toMatchObject({
      value: {
        state: 'active',
        version: 2,
        history: [
          { version: 1, signed_by: ['deputy'], valid: false },
          { version: 2, signed_by: ['root'], valid: true },
        ],
      },
    })
    expect(await submit('kept-1')).toMatchObject({ code: 0 })
    expect(await json('agent', 'list', '--as', dir('deputy'))).toMatchObject({ code: 4 })
  })
})

describe('contexts', () => {
  test('name an enrolment, with or without the plane’s folder; .writ is only the default', async () => {
    const { inContext, home, dir } = stage
    const add = (name: string, ...more: string[]) => inContext('local', 'context', 'add', name, ...more)
    expect(await add('mine', '--enrolment', dir('line-1'))).toMatchObject({ code: 0, value: { kind: 'agent' } })
    const rootPackage = join(home, 'plane', 'provisioning', 'root')
    expect(await add('far', '--enrolment', rootPackage)).toMatchObject({ code: 0 })
    expect(await add('near', '--enrolment', rootPackage, '--local', home)).toMatchObject({ code: 0 })

    expect(await inContext('mine', 'intent', 'submit', ...LOOK, '--wait')).toMatchObject({
      code: 0,
      value: { ok: true },
    })
    expect(await inContext('mine', 'intent', 'list')).toMatchObject({ code: 0 })
    expect(await inContext('far', 'agent', 'show', 'line-1')).toMatchObject({ code: 0, value: { id: 'line-1' } })
    expect(
      await inContext('far', 'agent', 'create', 'x', '--users', 'u', '--actions', 'a', '--groups', 'g'),
    ).toMatchObject({
      code: 4,
      value: { message: expect.stringContaining('no folder of the plane') },
    })
    expect(await inContext('far', 'status', '--fast')).toMatchObject({ code: 0, value: { ok: true, services: [] } })
    expect(await inContext('near', 'status', '--fast')).toMatchObject({
      code: 0,
      value: { services: expect.arrayContaining([expect.objectContaining({ name: 'token-issuer', state: 'ready' })]) },
    })
    expect(await inContext('none', 'agent', 'list')).toMatchObject({ code: 4, value: { code: 'unavailable' } })
  })
})

describe('writ status, doctor', () => {
  test('say that all is well where it is', async () => {
    const { json, dir, home } = stage
    const { code, value } = await json('status')
    expect([code, value]).toMatchObject([
      0,
      {
        ok: true,
        problems: [],
        gateways: [
          { id: 'gw-packaging', state: 'confirmed' },
          { id: 'gw-press-hall', state: 'confirmed' },
        ],
        heads: { policy: { version: 1 }, control: { standing: 2 } },
        backlog: { intents_open: expect.any(Number), seal_age_s: expect.any(Number), tick_age_s: expect.any(Number) },
      },
    ])
    for (const enrolment of [undefined, dir('line-1'), join(home, 'identities', 'gateway-gw-packaging')]) {
      const told = await json('doctor', ...(enrolment === undefined ? [] : ['--enrolment', enrolment]))
      const findings = told.value['findings'] as { check: string; grade: string }[]
      // opa is for those who change policies: a machine that has only run the plane may lack it.
      expect(findings.filter(({ check, grade }) => grade !== 'ok' && check !== 'tool opa')).toEqual([])
      expect(findings.map(({ check }) => check)).toEqual(
        expect.arrayContaining([
          'node',
          'tool nats-server',
          'port nats',
          'pins',
          'control',
          'key in force',
          'clock',
          'log',
        ]),
      )
    }
  })

  test('name the part that does not answer', async () => {
    const { json, stack } = stage
    const paused = ownProcess(stack, 'token-issuer')
    paused.signal('SIGSTOP')
    try {
      expect(await json('status', '--fast')).toMatchObject({
        code: 4,
        value: { ok: false, problems: expect.arrayContaining([expect.stringMatching(/^token-issuer is down/)]) },
      })
    } finally {
      paused.signal('SIGCONT')
    }
  })

  test('say what is wrong with an enrolment: other pins, a later CONTROL than there is, open files', async () => {
    const { json, dir, home } = stage
    const bad = join(home, 'made', 'bad')
    await cp(join(home, 'plane', 'provisioning', 'root'), bad, { recursive: true })
    const file = join(bad, 'enrolment.json')
    const enrolment = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
    const other = JSON.parse(await readFile(join(dir('line-1'), 'enrolment.json'), 'utf8')) as {
      trust: { anchors: Record<string, unknown> }
      control: { stream: string; seq: number }
    }
    const { 'audit-sink': anchor, ...anchors } = other.trust.anchors
    const trust = { ...other.trust, anchors: { ...anchors, 'audit-sink': anchors['token-issuer'] } }
    expect(anchor).toBeDefined()
    await writeFile(file, JSON.stringify({ ...enrolment, trust, control: { ...other.control, seq: 1e6 } }), {
      mode: 0o644,
    })
    await rm(join(bad, 'nats.creds'), { force: true })
    await cp(join(home, 'plane', 'provisioning', 'root', 'nats.creds'), join(bad, 'nats.creds'))
    const { code, value } = await json('doctor', '--enrolment', bad)
    const failed = (value['findings'] as { check: string; grade: string; mend?: string }[]).filter(
      ({ grade }) => grade === 'fail',
    )
    expect([code, failed.map(({ check }) => check)]).toEqual([4, expect.arrayContaining(['pins', 'control'])])
    for (const { mend } of failed) expect(mend).toBeTruthy()
  })

  test('say it as well when the plane is down', async () => {
    const { json, stack } = stage
    await stack[Symbol.asyncDispose]()
    const doctor = await json('doctor')
    expect(doctor).toMatchObject({
      code: 4,
      value: {
        findings: expect.arrayContaining([
          expect.objectContaining({ check: 'port nats', grade: 'fail', mend: expect.stringContaining('npm start') }),
        ]),
      },
    })
    expect(await json('status', '--fast')).toMatchObject({ code: 4, value: { ok: false, nats: { connected: false } } })
    expect(await json('agent', 'list')).toMatchObject({
      code: 4,
      value: { code: 'unavailable', message: expect.stringContaining('cannot be reached') },
    })
  })
})
