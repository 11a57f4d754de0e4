import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Agent, connectAgent, type SubmittedIntent } from '@writ/agent-sdk'
import { digestOf } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { found, foundInFiles } from './support/find-words.ts'
import { type LocalStack, type Ran, startLocalStack } from './support/local-stack.ts'
import { until } from './support/outsider.ts'
import { Lab } from './support/promises-lab.ts'
import { redisCommand } from './support/redis.ts'
import { redisContents } from './support/redis-contents.ts'

// A person asks what is held about them, and then to be forgotten. What is handed out is everything; after the erasure their words and results are
// looked for wherever the plane keeps anything, and their id is found only where docs/privacy.md says, for as long as it says.

const USER = 'u-erika-mustermann'
const OTHER = 'u-otto-normal'
const PURPOSE = 'Doctor Beispiel asks for bay seventeen'
const OTHERS_PURPOSE = 'Otto looks at bay eighteen'
const PARAM_NAME = 'patient-of-the-day'
const PARAM_VALUE = 'Max Musterfrau 4711'
const RESULT = 'temperature of Erika is 38.9'
const SAID = { PURPOSE, PARAM_NAME, PARAM_VALUE, RESULT }
const WORDS = { ...SAID, USER }

let local: LocalStack
let lab: Lab
let agent: Agent
let ran: SubmittedIntent
/** Of the operator who signs too. */
let deputy: string

beforeAll(async () => {
  local = await startLocalStack('privacy')
  lab = await Lab.open(local)
  deputy = join(local.home, 'deputy')
  await local.writ(['operator', 'create', 'deputy', '--user', 'u-dora', '--out', deputy])
  const dir = join(local.home, 'wards-agent')
  const ceiling = ['--users', `${USER},${OTHER}`, '--actions', 'telemetry-read,config-change', '--groups', 'lab']
  await local.writ(['agent', 'create', 'ward', ...ceiling, '--out', dir])
  agent = await connectAgent({ enrolment: dir })
  const { behave } = await lab.gateway('gw-ward')
  const approvals = { count: 1, roles: ['plant-manager'] }
  const actions = ['telemetry-read', 'config-change']
  await lab.device('bay', 'gw-ward', { actions, floors: { 'telemetry-read': { approvals } } })
  behave.set('bay', () => ({ said: RESULT }))
  ran = await readAndApprove(USER, PURPOSE)
  behave.set('bay', () => ({ said: 'nothing' }))
  await readAndApprove(OTHER, OTHERS_PURPOSE)
  const params = { [PARAM_NAME]: PARAM_VALUE }
  const denied = await agent.submit({
    action: 'config-change',
    targets: ['bay'],
    onBehalfOf: USER,
    purpose: PURPOSE,
    params,
  })
  expect((await denied.done(AbortSignal.timeout(60_000))).status.state).toBe('denied')
  await lab.logged(denied, 'intent.refused')
}, 300_000)
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

async function readAndApprove(user: string, purpose: string): Promise<SubmittedIntent> {
  const intent = await agent.submit({ action: 'telemetry-read', targets: ['bay'], onBehalfOf: user, purpose })
  await until('it waits for people', async () => (await agent.status(intent.id))?.state === 'needs_approval')
  const marta = await lab.approver('marta')
  const { decision } = await marta.pending(intent.digest)
  await marta.say(intent.digest, digestOf(decision), 'approve')
  expect((await intent.done(AbortSignal.timeout(60_000))).status.state).toBe('succeeded')
  await lab.logged(intent, 'plan.dispatched', 'token.redeemed', 'approval.given', 'action.succeeded')
  return intent
}

type Line = Readonly<Record<string, unknown>> & {
  readonly leaf?: number
  readonly verified?: boolean
  readonly event?: { readonly type: string; readonly intent_digest?: string }
}

async function handedOut(user: string): Promise<{ readonly ran: Ran; readonly text: string; readonly lines: Line[] }> {
  const file = join(local.home, `${user}.ndjson`)
  const exported = await local.writ(['privacy', 'export', user, '--out', file])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const text = await readFile(file, 'utf8')
  return {
    ran: exported,
    text,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line),
  }
}

const erase = (...more: string[]): Promise<Ran> => local.writ(['privacy', 'erase', USER, ...more], { fails: true })

/** Which words each stream shows now, in what it would give to whoever reads it. */
async function inStreams(): Promise<Readonly<Record<string, readonly string[]>>> {
  const shown: Record<string, string[]> = {}
  for await (const { config, state } of lab.jsm.streams.list()) {
    const words = new Set<string>()
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await lab.jsm.streams.getMessage(config.name, { seq }).catch(() => null)
      const text = message === null ? '' : `${message.subject} ${Buffer.from(message.data).toString('latin1')}`
      for (const word of found('', text, WORDS)) words.add(word.replace(' in ', ''))
    }
    if (words.size > 0) shown[config.name] = [...words].sort()
  }
  return shown
}

/** The folder of a stream’s files in the server’s. */
async function folderOf(stream: string): Promise<string> {
  const names = await readdir(local.stack.paths.nats, { recursive: true, withFileTypes: true })
  const folder = names.find((each) => each.isDirectory() && each.name === stream && each.parentPath.endsWith('streams'))
  if (folder === undefined) throw new Error(`no files of ${stream}`)
  return join(folder.parentPath, folder.name)
}

/** Wrapped keys as the bucket holds them, by key id. */
async function wrappedKeys(): Promise<ReadonlyMap<string, Buffer>> {
  const keys = new Map<string, Buffer>()
  const { state } = await lab.jsm.streams.info('KV_subject-keys')
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await lab.jsm.streams.getMessage('KV_subject-keys', { seq }).catch(() => null)
    if (message !== null) keys.set(message.subject.slice('$KV.subject-keys.'.length), Buffer.from(message.data))
  }
  return keys
}

describe('what is handed out to a person', () => {
  test('is everything that the log has about them, opened, each line with its leaf, and no word of anybody else', async () => {
    const { ran: exported, text, lines } = await handedOut(USER)
    expect(exported).toMatchObject({ code: 0, json: { ok: true, whole: true, doubtful: 0 } })
    expect(Object.values(WORDS).filter((word) => !text.includes(word))).toEqual([])
    expect([OTHER, OTHERS_PURPOSE].filter((word) => text.includes(word))).toEqual([])
    const [about, ...events] = lines
    expect(about).toMatchObject({ about: { user: USER, subject: expect.stringMatching(/^u-.{22}$/) } })
    const types = events.filter(({ event }) => event?.intent_digest === ran.digest).map(({ event }) => event?.type)
    const story = [
      'intent.accepted',
      'policy.decided',
      'approval.given',
      'token.issued',
      'plan.dispatched',
      'token.redeemed',
    ]
    expect(types).toEqual(expect.arrayContaining([...story, 'action.started', 'action.succeeded']))
    expect(events.map(({ event }) => event?.type)).toEqual(expect.arrayContaining(['intent.refused', 'record.filed']))
    for (const { leaf, verified } of events) expect([typeof leaf, verified]).toEqual(['number', true])
  })

  test('of who approved, are their approvals, and not what they approved', async () => {
    const { text, lines } = await handedOut('u-marta')
    expect(lines.filter(({ event }) => event?.type === 'approval.given')).toHaveLength(2)
    expect(text).toContain('writ-approval+jwt')
    expect([PURPOSE, OTHERS_PURPOSE, USER].filter((word) => text.includes(word))).toEqual([])
  })
})

describe('an erasure', () => {
  test('wants two operators, a reason that names nobody, and no legal hold', async () => {
    expect(await erase()).toMatchObject({ code: 3, json: {} })
    const named = await erase('--cosign', deputy, '--reason', `${USER} has asked`)
    expect(named.code).toBe(3)
    await local.writ(['audit', 'hold', epochNow(), '--reason', 'Case 1.'])
    const held = await erase('--cosign', deputy)
    expect(held.code).toBe(3)
    await local.writ(['audit', 'release', epochNow(), '--reason', 'Case 1 is closed.'])
    expect((await handedOut(USER)).text).toContain(PURPOSE)
  })

  test('destroys the keys, in the bus’s files too; the log verifies as before, and whoever exports it finds nobody', async () => {
    const before = await wrappedKeys()
    const { json: who } = await local.writ(['privacy', 'subject', USER])
    const subject = String(who['subject'])
    const erased = await erase('--cosign', deputy)
    expect(erased).toMatchObject({ code: 0, json: { ok: true, subject, compacted: true, namedBy: ['agent ward'] } })
    const gone = [...before].filter(([kid]) => kid.startsWith(subject))
    expect(gone.length).toBeGreaterThan(0)
    expect(gone.every(([kid]) => !kid.includes(USER))).toBe(true)
    const files = await readdir(await folderOf('KV_subject-keys'), { recursive: true, withFileTypes: true })
    for (const file of files.filter((each) => each.isFile())) {
      const bytes = await readFile(join(file.parentPath, file.name)).catch(() => Buffer.alloc(0))
      for (const [, wrapped] of gone) expect(bytes.includes(wrapped), file.name).toBe(false)
    }
    await until('the erasure is in the log', async () => {
      const { out } = await local.writ(['audit', 'tail', '-n', '50'])
      return out.includes(subject)
    })
    expect(await local.writ(['audit', 'verify', '--open'])).toMatchObject({ code: 0, json: { ok: true } })
    const trace = await local.writ(['audit', 'trace', '--intent', ran.id, '--open'], { fails: true })
    const out = join(local.home, 'later.ndjson')
    const later = await local.writ(['audit', 'export', '--open', '--user-ids', '--out', out])
    expect(later).toMatchObject({ code: 0, json: { not_verified: 0 } })
    expect(found('a later trace', trace.out, SAID)).toEqual([])
    expect(found('a later export', await readFile(out), WORDS)).toEqual([])
    expect(await readFile(out, 'utf8')).toContain(OTHER)
    const again = await handedOut(USER)
    expect(found('what is handed out later', again.text, SAID)).toEqual([])
    expect(again.lines.some(({ event }) => event?.intent_digest === ran.digest)).toBe(true)
  })

  test('leaves no word of the person in the store, in a service’s log or state, in the bucket or in Redis; the id only where and as long as docs/privacy.md says', async () => {
    const { stack, home } = local
    for (const dir of [stack.paths.store, join(home, 'logs'), join(home, 'state')]) {
      const [words, files] = await foundInFiles(dir, WORDS)
      expect(words, dir).toEqual([])
      expect(files, dir).toBeGreaterThan(3)
    }
    // Redis keeps tokens in memory alone.
    expect((await foundInFiles(stack.paths.redis, WORDS))[0]).toEqual([])
    const redis = await redisContents(stack.paths.localJson)
    const { redis_url } = JSON.parse(await readFile(stack.paths.localJson, 'utf8')) as { redis_url: string }
    for (const [key, value] of Object.entries(redis)) {
      expect(found(key, `${key} ${value}`, SAID)).toEqual([])
      if (found(key, `${key} ${value}`, { USER }).length === 0) continue
      const seconds = Number.parseInt((await redisCommand(redis_url, `TTL ${key}`)).replace(/^:/, ''), 10)
      expect(seconds).toBeGreaterThan(0)
      expect(seconds).toBeLessThanOrEqual(24 * 3600)
    }
    // Outcomes as their gateways signed them, for seven days; tokens, for one; records, for good.
    expect(await inStreams()).toEqual({ KV_uses: ['USER'], REGISTRY: ['USER'], STATUS: ['RESULT'] })
  })

  test('is whole when the streams that forget have forgotten: then only records name the person', async () => {
    const ages: Record<string, number> = {}
    for await (const { config } of lab.jsm.streams.list())
      if (config.max_age > 0) ages[config.name] = config.max_age / 86_400e9
    expect(ages).toMatchObject({
      INTENTS: 1,
      PLANS: 2,
      OUTCOMES: 7,
      STATUS: 7,
      REPORTS: 7,
      ATTESTATIONS: 7,
      KV_intents: 4,
      KV_uses: 1,
    })
    const before = await foundInFiles(await folderOf('STATUS'), WORDS)
    expect(before[0]).toEqual([expect.stringContaining('RESULT')])
    // As if so many days had passed.
    for (const stream of Object.keys(ages)) await lab.jsm.streams.update(stream, { max_age: 1e9 })
    await until('they are empty', async () => {
      const states = await Promise.all(['STATUS', 'KV_uses', 'KV_intents'].map((name) => lab.jsm.streams.info(name)))
      return states.every(({ state }) => state.messages === 0)
    })
    expect(await inStreams()).toEqual({ REGISTRY: ['USER'] })
    for (const stream of Object.keys(ages))
      expect((await foundInFiles(await folderOf(stream), WORDS))[0], stream).toEqual([])
  })
})

test('an id that is an address is warned of before it is in a record for good', async () => {
  const ceiling = ['--actions', 'telemetry-read', '--groups', 'lab', '--out', join(local.home, 'jane')]
  const { json } = await local.writ(['agent', 'create', 'janes', '--users', 'jane@plant.example', ...ceiling])
  expect(json['warnings']).toEqual([expect.stringContaining('jane@plant.example looks like an address')])
})

function epochNow(): string {
  const now = new Date()
  return `${now.getUTCFullYear()}h${now.getUTCMonth() < 6 ? 1 : 2}`
}
