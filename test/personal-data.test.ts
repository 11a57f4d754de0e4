import { join } from 'node:path'
import { type Agent, connectAgent, type SubmittedIntent } from '@writ/agent-sdk'
import { directoryReader, EvidenceLog, parseVkey } from '@writ/audit'
import { digestOf } from '@writ/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { found, foundInFiles } from './support/find-words.ts'
import { type LocalStack, startLocalStack } from './support/local-stack.ts'
import { until } from './support/outsider.ts'
import { Lab } from './support/promises-lab.ts'
import { redisContents } from './support/redis-contents.ts'

// Everything that a run leaves behind is searched for what people said and who they are: the log for what may never be deleted from it, the
// services' own logs and Redis for what nobody thinks of. The words are looked for as they are and in base64, at each alignment and nested.

const USER = 'u-erika-mustermann'
const STRANGER = 'u-walter-unbekannt'
const PURPOSE = 'Doctor Beispiel asks for bay seventeen'
const PARAM_NAME = 'patient-of-the-day'
const PARAM_VALUE = 'Max Musterfrau 4711'
const RESULT = 'temperature of Erika is 38.9'
/** Of the pilot plant: who approves. */
const APPROVER = 'u-marta'
const SAID = { STRANGER, PURPOSE, PARAM_NAME, PARAM_VALUE, RESULT }

let local: LocalStack
let lab: Lab
let agent: Agent
let ran: SubmittedIntent

beforeAll(async () => {
  local = await startLocalStack('personal-data')
  lab = await Lab.open(local)
  const dir = join(local.home, 'erikas-agent')
  const ceiling = ['--users', USER, '--actions', 'telemetry-read,config-change', '--groups', 'lab']
  await local.writ(['agent', 'create', 'assistant', ...ceiling, '--out', dir])
  agent = await connectAgent({ enrolment: dir })
  const { behave } = await lab.gateway('gw-private')
  const approvals = { count: 1, roles: ['plant-manager'] }
  const actions = ['telemetry-read', 'config-change']
  await lab.device('private', 'gw-private', { actions, floors: { 'telemetry-read': { approvals } } })
  behave.set('private', () => ({ said: RESULT }))
  ran = await readAndApprove()
  await refusedThreeTimes()
}, 240_000)
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]()
  await lab?.[Symbol.asyncDispose]()
  await local?.[Symbol.asyncDispose]()
})

const ask = (action: string, more: object = {}): Promise<SubmittedIntent> =>
  agent.submit({ action, targets: ['private'], onBehalfOf: USER, purpose: PURPOSE, ...more })

const stateOf = async (intent: SubmittedIntent) => (await intent.done(AbortSignal.timeout(60_000))).status.state

async function readAndApprove(): Promise<SubmittedIntent> {
  const intent = await ask('telemetry-read')
  await until('it waits for people', async () => (await agent.status(intent.id))?.state === 'needs_approval')
  const marta = await lab.approver('marta')
  const { decision } = await marta.pending(intent.digest)
  await marta.say(intent.digest, digestOf(decision), 'approve')
  expect(await stateOf(intent)).toBe('succeeded')
  await lab.logged(intent, 'plan.dispatched', 'token.redeemed', 'approval.given', 'action.succeeded')
  return intent
}

/** By policy for its parameters, for its user (whose words nobody has a key for: they are not kept), and because its user was revoked. */
async function refusedThreeTimes(): Promise<void> {
  const params = { [PARAM_NAME]: PARAM_VALUE }
  const outOfBounds = await ask('config-change', { params })
  const ofAnother = await ask('config-change', { params, onBehalfOf: STRANGER })
  expect([await stateOf(outOfBounds), await stateOf(ofAnother)]).toEqual(['denied', 'denied'])
  await lab.revoke('user', USER)
  const revoked = await ask('config-change', { params })
  // Refused at once, or taken in by a replica that had not heard yet.
  expect(['denied', 'revoked']).toContain(await stateOf(revoked))
  for (const intent of [outOfBounds, ofAnother, revoked]) await lab.logged(intent, 'intent.refused')
}

async function auditLog(): Promise<EvidenceLog> {
  const { store } = local.stack.paths
  const { trust, logVkey } = local.stack.plane
  return EvidenceLog.open({ reader: directoryReader(store), vkeys: [parseVkey(logVkey)], pins: trust })
}

describe('what people said and who they are stands in the clear nowhere', () => {
  test('that a search would find it in, also in a signed message within another', () => {
    const message = (inside: string) =>
      ['{"alg":"ES256"}', JSON.stringify({ inside }), 'x']
        .map((part) => Buffer.from(part).toString('base64url'))
        .join('.')
    for (const [name, word] of Object.entries({ ...SAID, USER, APPROVER }))
      for (const text of [word, message(`“${word}”`), message(message(word)), message(message(message(` ${word}`)))])
        expect(found('it', text, { [name]: word })).toEqual([`${name} in it`])
  })

  test('of the audit log: no leaf, no tile, nothing beside them; and it is all there for who has the keys', async () => {
    const words = { ...SAID, USER, APPROVER }
    const log = await auditLog()
    const leaves: string[] = []
    for await (const { index, entry = '' } of log.entries(0)) leaves.push(...found(`leaf ${index}`, entry, words))
    expect(leaves).toEqual([])
    expect(log.newest.size).toBeGreaterThan(20)
    const [files, count] = await foundInFiles(local.stack.paths.store, words)
    expect(files).toEqual([])
    expect(count).toBeGreaterThan(20)
    const opened = await local.writ(['audit', 'trace', '--agent', 'assistant', '--open'])
    const all = [USER, PURPOSE, PARAM_NAME, PARAM_VALUE, RESULT].filter((word) => !opened.out.includes(word))
    expect([all, opened.json['ok']]).toEqual([[], true])
    const sealed = await local.writ(['audit', 'trace', '--intent', ran.id])
    expect(found('what is shown without keys', sealed.out, words)).toEqual([])
    expect(await local.writ(['audit', 'verify', '--open'])).toMatchObject({ code: 0, json: { ok: true, sealed: 0 } })
  })

  test('of the services’ own logs', async () => {
    const [files, count] = await foundInFiles(join(local.home, 'logs'), { ...SAID, USER, APPROVER })
    expect(files).toEqual([])
    expect(count).toBeGreaterThanOrEqual(4)
  })

  test('of Redis: what was said in no key; the user in the tokens that name it, and in nothing else', async () => {
    const all = await redisContents(local.stack.paths.localJson)
    const tokens = Object.keys(all).filter((key) => key.includes(':token:'))
    expect(tokens.length).toBeGreaterThan(0)
    for (const [key, value] of Object.entries(all)) {
      expect(found(key, `${key} ${value}`, { ...SAID, APPROVER })).toEqual([])
      if (!tokens.includes(key)) expect(found(key, `${key} ${value}`, { USER })).toEqual([])
    }
  })
})
