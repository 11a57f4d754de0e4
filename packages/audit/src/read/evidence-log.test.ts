import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { planIdOf } from '@writ/authority'
import { intentMessage } from '@writ/contracts'
import { digestOf, signMessage } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseTlogProof, verifyTlogProof } from '../core/tlog-proof.ts'
import { sealDocument } from '../documents/sealed-document.ts'
import { clearDocument } from '../source/chain.ts'
import { auditEvent, type NewEvent } from '../source/events.ts'
import {
  bareEvent,
  endorsement,
  filing,
  heartbeats,
  keys,
  type Message,
  ORIGIN,
  PLAN_SECONDS,
  type PlantOptions,
  pins,
  plant,
  REGION,
  START,
  seal,
  subjectKeys,
  TestSource,
  vkeys,
  withdrawal,
} from '../testing/plant-log.ts'
import { directoryReader } from '../verify/log-reader.ts'
import { EvidenceLog, type EvidenceOptions } from './evidence-log.ts'
import { intentStory } from './intent-story.ts'
import { NotVerified } from './not-verified.ts'
import type { ReadEntry } from './read-entry.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-read-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const open = (over: Partial<EvidenceOptions> = {}): Promise<EvidenceLog> =>
  EvidenceLog.open({ reader: directoryReader(dir), vkeys, pins, ...over })

type Made = Awaited<ReturnType<typeof plant>>
async function make(options: PlantOptions = {}, more: (made: Made) => Promise<Message[]> = async () => []) {
  const made = await plant(options)
  await seal(dir, made.opening, [[...made.messages, ...(await more(made))]])
  return made
}

async function all(log: EvidenceLog, from = 0): Promise<ReadEntry[]> {
  const entries: ReadEntry[] = []
  for await (const entry of log.entries(from)) entries.push(entry)
  return entries
}
const verdicts = (entries: readonly ReadEntry[]) =>
  entries.flatMap(({ doubts }) => doubts.map(({ verdict }) => verdict))
const types = (entries: readonly ReadEntry[]) => entries.flatMap(({ events }) => events.map(({ event }) => event.type))

async function storyOf(log: EvidenceLog, intent = 'intent-1') {
  const { intents, around } = await log.find({ intent })
  const [found] = intents
  if (found === undefined || intents.length !== 1) throw new Error(`${intents.length} intents`)
  return intentStory(found.digest, await found.read(), around)
}

/** Makes a bundle anew with one entry changed, the tiles beside it as they were. */
async function alter(name: string, change: (bytes: Buffer) => void): Promise<void> {
  const file = join(dir, ORIGIN, name)
  const bytes = await readFile(file)
  change(bytes)
  await rm(file)
  await writeFile(file, bytes)
}

// ---- What is not to be believed ------------------------------------------------------------------------------------

describe('says of an entry that it is not verified', () => {
  test('that is not the one the log committed to', async () => {
    await make()
    await alter('tile/entries/000.p/20', (bytes) => bytes.fill('A', 40, 41))
    const [first, second] = await all(await open())
    expect(first?.doubts.map(({ verdict }) => verdict)).toContain('entry_altered')
    expect(first?.proof).toBeUndefined()
    expect(second?.doubts).toEqual([])
    expect((await (await open()).find({ intent: 'intent-1' })).whole).toBe(false)
  })

  test('whose tile is gone, or whose bundle', async () => {
    await make()
    await rm(join(dir, ORIGIN, 'tile/0/000.p/20'))
    expect(verdicts([await (await open()).entry(3)])).toEqual(['tile_missing'])
    await rm(join(dir, ORIGIN, 'tile/entries/000.p/20'))
    expect(await (await open()).entry(3)).toMatchObject({ doubts: [{ verdict: 'entry_missing' }], events: [] })
    expect(await (await open()).find({ intent: 'intent-1' })).toMatchObject({ missing: 20, whole: false, intents: [] })
  })

  test('that lies beyond the log', async () => {
    await make()
    expect(verdicts([await (await open()).entry(20)])).toEqual(['entry_missing'])
  })

  test.each([
    ['signed by a stranger', { sign: { token: keys.stranger } }, 'key_not_endorsed'],
    ['signed by another service', { sign: { token: keys.services['policy-evaluator'] } }, 'key_not_endorsed'],
    ['signed after its endorsement', { at: { token: 4000 } }, 'key_expired'],
    ['of a gateway whose record nobody filed', { omit: ['record gateway'] }, 'key_not_endorsed'],
  ] as const)('%s', async (_, options, verdict) => {
    await make(options)
    const story = await storyOf(await open())
    expect(story.verified).toBe(false)
    expect(new Set(story.events.flatMap(({ entry }) => entry.doubts.map((doubt) => doubt.verdict)))).toContain(verdict)
  })

  test('whose signature does not verify, though its key is good', async () => {
    await make({}, async ({ messages, sources }) => {
      const { body } = await (sources['token-issuer'] as TestSource).message('forged', START + 50, [
        auditEvent('source.heartbeat', {}),
      ])
      const last = messages.at(-1)?.body.split('.')[2]
      return [
        {
          name: 'forged',
          stream: 'AUDIT',
          source: 'token-issuer/i1/b1',
          body: `${body.split('.', 2).join('.')}.${last}`,
        },
      ]
    })
    expect(verdicts(await all(await open()))).toEqual(['signature_invalid'])
  })

  test('that is not its source’s to say, or brings another document than it names', async () => {
    const said = [auditEvent('source.heartbeat', {}), auditEvent('log.opened', { detail: {} })]
    await make({ edit: { 'token-issuer heartbeat': () => said } })
    expect(verdicts(await all(await open()))).toEqual(['out_of_role'])
  })

  test('that tells of another step than the outcome with it', async () => {
    const edit = (events: NewEvent[]) => events.map((event) => ({ ...event, device_id: 'press-2' }))
    await make({ edit: { outcome: edit } })
    expect((await storyOf(await open())).verified).toBe(true)
    const story = await storyOf(await open({ subjectKeys }))
    expect(story.verified).toBe(false)
    expect(story.steps).toMatchObject([{ device_id: 'press-1', state: 'succeeded' }])
    expect(story.steps[0]?.outcome).toBeUndefined()
  })

  test('that tells of another action than the agent asked for, or the gateway took', async () => {
    const tell = (events: NewEvent[]) => events.map((event) => ({ ...event, intent: 'open-door' }))
    for (const name of ['intent', 'outcome']) {
      await make({ edit: { [name]: tell } })
      const story = await storyOf(await open({ subjectKeys }))
      expect(story.verified).toBe(false)
      expect(story.events.flatMap(({ entry }) => entry.doubts)).toMatchObject([
        { verdict: 'document_invalid', message: expect.stringContaining('another action than the event says') },
      ])
      await rm(dir, { recursive: true })
    }
    // An event without the intent may say what it likes: the intent itself is believed.
    const bare = (events: NewEvent[]) => events.map(({ documents: _, ...event }) => event)
    await make({ edit: { intent: (events) => [...tell(bare(events)), ...events] } })
    expect((await storyOf(await open())).action).toBe('open-door')
    expect((await storyOf(await open({ subjectKeys }))).action).toBe('restart')
  })

  test('that says a step ended otherwise than its gateway signed', async () => {
    const edit = (events: NewEvent[]) => events.map((event) => ({ ...event, type: 'action.failed' as const }))
    await make({ edit: { outcome: edit } })
    const story = await storyOf(await open({ subjectKeys }))
    expect(story).toMatchObject({ state: 'succeeded', verified: false })
    expect(story.events.flatMap(({ entry }) => entry.doubts)).toMatchObject([
      { verdict: 'document_invalid', message: expect.stringContaining('says that it ended otherwise') },
    ])
  })

  test('of a gateway whose key its record had dropped before, though both came while it was looked at', async () => {
    const { messages, opening, sources } = await plant()
    await seal(dir, opening, [messages])
    const log = await open()
    expect(verdicts([await log.entry(log.newest.size - 1)])).toEqual([])
    const from = log.newest.size
    const { event } = await filing('gateway', 'g1', 2, null, [])
    const late = [
      ...(await heartbeats(sources['token-issuer'] as TestSource, 1, START + 60)),
      await (sources['intent-gateway'] as TestSource).message('dropped', START + 60, [event]),
      await (sources['gateway'] as TestSource).message('old key', START + 200, [auditEvent('source.heartbeat', {})]),
    ]
    await seal(dir, opening, [messages, late])
    expect(await log.refresh()).toBe(true)
    const shown = await all(log, from)
    // AUDIT_EDGE is read after AUDIT.
    expect(shown.map(({ doubts }) => doubts.map(({ verdict }) => verdict))).toEqual([[], [], ['key_expired']])
  })

  test('of such a gateway, also where who told of its record began long before', async () => {
    const { messages, opening, sources } = await plant()
    const other = new TestSource('intent-gateway/i2/b2', keys.stranger)
    const { jwk, kid } = keys.stranger
    const start = await endorsement('intent-gateway', { jwk, kid, instance: 'i2', boot: 'b2' })
    const started = await other.message('started', START, [auditEvent('source.started', { documents: [start] })])
    const many = await heartbeats(other, 1100)
    const { event } = await filing('gateway', 'g1', 2, null, [])
    const dropped = await other.message('dropped', START + 60, [event])
    const late = await (sources['gateway'] as TestSource).message('old key', START + 200, [
      auditEvent('source.heartbeat', {}),
    ])
    await seal(dir, opening, [[started, ...many], messages, [dropped], [late]])
    const log = await open()
    expect(verdicts([await log.entry(log.newest.size - 1)])).toEqual(['key_expired'])
  })

  test('that decides something under a key that was revoked before, wherever in the log it is looked at from', async () => {
    const { kid } = keys.services['policy-evaluator']
    const made = await make({}, async ({ sources, intentDigest }) => {
      const revoke = await withdrawal(7, { command: 'revoke', scope: 'key', id: kid })
      const lie = bareEvent('policy.decided', { intent_digest: intentDigest }, 'succeeded')
      const evaluator = sources['policy-evaluator'] as TestSource
      return [
        await (sources['intent-gateway'] as TestSource).message('revoked', START + 60, [revoke]),
        await evaluator.message('late', START + 100, [lie]),
        ...(await heartbeats(evaluator, 1, START + 101)),
      ]
    })
    const log = await open()
    for (const { index, message } of await all(log)) {
      const found = verdicts([await (await open()).entry(index)])
      const isLate = message?.source.startsWith('policy-evaluator') === true && message.iat === START + 100
      expect([index, found]).toEqual([index, isLate ? ['key_expired'] : []])
    }
    expect(await storyOf(log, made.intentDigest)).toMatchObject({ verified: false, decisions: [{ outcome: 'allow' }] })
  })

  test('and what such an entry says enters no story', async () => {
    const made = await make({}, async ({ intentDigest, planId }) => {
      const stranger = new TestSource('gateway/g1/b9', keys.stranger)
      const about = { intent_digest: intentDigest, plan_id: planId, gateway_id: 'g1', device_id: 'press-1' }
      return [
        await stranger.message('lie', START + 30, [
          auditEvent('action.failed', { ...about, reasons: ['action_failed'], detail: { step_id: 's0' } }),
        ]),
      ]
    })
    const story = await storyOf(await open(), made.intentDigest)
    expect(story).toMatchObject({ state: 'succeeded', verified: false })
    expect(story.events.filter(({ entry }) => entry.doubts.length > 0)).toHaveLength(1)
  })

  test('nor does the time that it says: only who is believed says when', async () => {
    const made = await make({}, async ({ intentDigest }) => {
      const stranger = new TestSource('intent-gateway/i9/b9', keys.stranger)
      const lie = [bareEvent('policy.decided', { intent_digest: intentDigest }, 'succeeded')]
      return [await stranger.message('lie', START - 86_400, lie)]
    })
    const accepted = made.messages.findIndex(({ name }) => name === 'intent')
    const story = await storyOf(await open(), made.intentDigest)
    expect(story).toMatchObject({ verified: false, at: new Date((START + accepted) * 1000).toISOString() })
    const doubtful = story.events.filter(({ entry }) => entry.doubts.length > 0).map(({ entry }) => entry)
    expect(intentStory(made.intentDigest, doubtful).at).toBeUndefined()
  })
})

// ---- Who may say what of an intent ---------------------------------------------------------------------------------

describe('the story of an intent is told by those alone whose word it is', () => {
  /** What another enrolled gateway, or somebody named, adds to the log about the intent. */
  const lying = async (from: string, say: (made: Made) => NewEvent[], options: PlantOptions = {}) => {
    const made = await make(options, async (plantMade) => {
      const { sources } = plantMade
      const record = { keys: [keys.stranger.jwk], jurisdiction: REGION }
      const { event } = await filing('gateway', 'g2', 1, record, [keys.stranger])
      const source = sources[from] ?? new TestSource(`${from}/b1`, keys.stranger)
      return [
        await (sources['intent-gateway'] as TestSource).message('filed', START + 20, [event]),
        await source.message('lie', START + 25, say(plantMade)),
        // So late that nothing can be on its way any more.
        ...(await heartbeats(sources['token-issuer'] as TestSource, 1, START + PLAN_SECONDS + 100)),
      ]
    })
    return await storyOf(await open({ subjectKeys }), made.intentDigest)
  }
  const about = ({ intentDigest }: Made) => ({ intent_digest: intentDigest })
  const failed = (events: NewEvent[]) =>
    events.map((event) => ({ ...event, type: 'action.failed' as const, reasons: ['action_failed' as const] }))
  const FAILED = { edit: { 'action succeeded': failed }, omit: ['outcome'] }
  const step = { device_id: 'press-1', detail: { step_id: 's0', use: 1 } }

  test('another gateway cannot say that it was refused', async () => {
    const story = await lying('gateway/g2', (made) => [
      auditEvent('intent.refused', { ...about(made), reasons: ['policy_denied'], detail: { state: 'denied' } }),
    ])
    expect(story).toMatchObject({ state: 'succeeded', reasons: [], verified: false })
    expect(story.events.flatMap(({ entry }) => entry.doubts)).toMatchObject([{ verdict: 'out_of_role' }])
  })

  test.each([
    ['naming itself', { gateway_id: 'g2' }],
    ['naming nobody', {}],
    ['naming the other', { gateway_id: 'g1' }],
  ])('another gateway cannot say how a step ended, %s', async (_, named) => {
    expect(await lying('token-issuer', () => [auditEvent('source.heartbeat', {})], FAILED)).toMatchObject({
      state: 'failed',
      verified: true,
    })
    await rm(dir, { recursive: true })
    const lie = ({ intentDigest, planId }: Made): NewEvent[] => [
      {
        type: 'action.succeeded',
        status: 'succeeded',
        intent_digest: intentDigest,
        plan_id: planId,
        ...step,
        ...named,
      },
    ]
    expect(await lying('gateway/g2', lie, FAILED)).toMatchObject({ state: 'failed', verified: false })
  })

  test('nor can it add a plan of its own that nobody sent', async () => {
    const story = await lying('gateway/g2', (made) => [
      auditEvent('action.failed', {
        ...about(made),
        ...step,
        gateway_id: 'g2',
        plan_id: planIdOf(made.intentDigest, 'g2'),
        reasons: ['action_failed'],
      }),
    ])
    expect(story).toMatchObject({ state: 'succeeded', verified: false, steps: [{ gateway_id: 'g1' }] })
    const doubts = story.events.flatMap(({ entry }) => entry.doubts)
    expect(doubts).toMatchObject([{ verdict: 'evidence_missing' }])
  })

  test('nor name its agent, its id, or when it was first heard of', async () => {
    const story = await lying('gateway/g2', (made) => [
      { ...auditEvent('source.heartbeat', {}), ...about(made), agent_id: 'a9', intent_id: 'i9', intent: 'lie' },
    ])
    expect(story).toMatchObject({ agent_id: 'a1', intent_id: 'intent-1', action: 'restart', verified: false })
  })

  test('its own gateway cannot make up steps that were not redeemed', async () => {
    const made = (type: 'action.succeeded' | 'action.refused') => (plantMade: Made) => [
      {
        type,
        status: 'succeeded' as const,
        ...about(plantMade),
        gateway_id: 'g1',
        device_id: 'press-2',
        plan_id: plantMade.planId,
        detail: { step_id: 's1', use: 1 },
      },
    ]
    const targets = ['press-1', 'press-2'] as const
    for (const type of ['action.succeeded', 'action.refused'] as const) {
      expect(await lying('gateway', made(type), { targets })).toMatchObject({
        state: 'partial',
        steps: [{ step_id: 's0' }],
      })
      await rm(dir, { recursive: true })
    }
  })

  test('what a gateway brings along is not the intent, whoever signed it', async () => {
    const other = await signMessage(keys.agent, intentMessage, {
      iss: 'a1',
      aud: `writ:${REGION}`,
      iat: START,
      exp: START + 60,
      jti: 'other',
      on_behalf_of: 'u9',
      action: 'restart',
      targets: ['press-9'],
      purpose: 'another',
    })
    const bring = (events: NewEvent[]) =>
      events.map((event) => ({ ...event, documents: [clearDocument(intentMessage.typ, other)] }))
    await make({ edit: { 'action started': bring } })
    const story = await storyOf(await open())
    expect(story.intent).toBeUndefined()
  })

  test('a try that was refused hides no later one that began, and a late word none that counted', async () => {
    const say = (type: 'action.refused' | 'action.unknown' | 'action.started', use: number, made: Made): NewEvent => ({
      ...auditEvent('action.unknown', {
        ...about(made),
        gateway_id: 'g1',
        device_id: 'press-1',
        plan_id: made.planId,
        reasons: ['interrupted'],
        detail: { step_id: 's0', use },
      }),
      type,
    })
    const none = { omit: ['action started', 'action succeeded', 'outcome'] }
    const state = async (...types: ('action.refused' | 'action.unknown' | 'action.started')[]) => {
      const story = await lying('gateway', (made) => types.map((type, at) => say(type, at + 1, made)), none)
      await rm(dir, { recursive: true })
      return story.steps.map((one) => one.state)
    }
    expect(await state('action.refused')).toEqual(['refused'])
    expect(await state('action.refused', 'action.unknown')).toEqual(['unknown'])
    expect(await state('action.refused', 'action.started')).toEqual(['started'])
    const late = await lying('intent-gateway', (made) => [
      { ...say('action.refused', 1, made), type: 'action.failed', detail: { step_id: 's0', late: true } },
    ])
    expect(late).toMatchObject({ state: 'succeeded', verified: true })
  })

  test('that it was refused is not told of an intent whose steps ran', async () => {
    const story = await lying('intent-gateway', (made) => [
      auditEvent('intent.refused', { ...about(made), reasons: ['expired'], detail: { state: 'expired' } }),
    ])
    expect(story).toMatchObject({ state: 'succeeded', reasons: [] })
  })

  test('what a gateway says before the dispatch is in the log is not told yet, and no doubt of it', async () => {
    const made = await plant({ lose: ['plan', 'redeem'] })
    await seal(dir, made.opening, [made.messages])
    expect(await storyOf(await open(), made.intentDigest)).toMatchObject({ verified: true })
  })
})

test('without a checkpoint of a pinned key nothing is read', async () => {
  await make()
  const otherKey = open({ vkeys: [keys.otherLog.verifier(ORIGIN)] })
  await expect(otherKey).rejects.toBeInstanceOf(NotVerified)
  await expect(otherKey).rejects.toMatchObject({ code: 'bad_signature' })
  await expect(open({ origin: 'nobody.example/r/2026h2' })).rejects.toMatchObject({ code: 'unavailable' })
})

test('without the anchors no entry is verified', async () => {
  await make()
  const entries = await all(await open({ pins: { operators: pins.operators, anchors: {} } }))
  expect(entries.every(({ doubts }) => doubts.length > 0)).toBe(true)
})

// ---- What is read --------------------------------------------------------------------------------------------------

describe('a log', () => {
  test('gives every entry verified, with a proof that anybody can verify', async () => {
    await make()
    const log = await open()
    const entries = await all(log)
    expect(verdicts(entries)).toEqual([])
    expect(entries).toHaveLength(20)
    for (const { proof, entry, index } of entries) {
      const parsed = parseTlogProof(proof as string)
      expect(parsed.index).toBe(index)
      expect(verifyTlogProof(parsed, entry as Uint8Array, vkeys).size).toBe(20)
    }
  })

  test('finds the key of a message far behind it and, of a message before its record, after it', async () => {
    const made = await plant()
    const { sources } = made
    const early = await (sources['gateway'] as TestSource).message('early', START, [auditEvent('source.heartbeat', {})])
    const many = await heartbeats(sources['token-issuer'] as TestSource, 1100)
    await seal(dir, made.opening, [[early], [...made.messages, ...many]])
    const log = await open()
    expect(verdicts([await log.entry(log.newest.size - 1)])).toEqual([])
    const first = await (await open()).entry(1)
    expect([first.message?.source, verdicts([first])]).toEqual(['gateway/g1/b1', []])
  })

  test('goes on from the epoch before it, whose keys and intents are read too', async () => {
    const made = await plant()
    const over = { now: new Date('2027-01-02T00:00:00Z') }
    await seal(dir, made.opening, [made.messages])
    const late = await (made.sources['token-issuer'] as TestSource).message('late', START + 60, [
      auditEvent('source.heartbeat', {}),
    ])
    await seal(dir, made.opening, [[late]], over)
    const log = await open()
    expect(log.logs.map(({ origin }) => origin)).toEqual([ORIGIN, ORIGIN.replace('2026h2', '2027h1')])
    expect(types(await all(log))).toContain('source.heartbeat')
    const beat = (await all(log)).find(({ message }) => message?.source.startsWith('token-issuer'))
    expect(beat?.doubts).toEqual([])
    expect((await log.find({ agent: 'a1' })).intents).toHaveLength(1)
  })

  test('whose earlier epoch is not here says so, and that nothing is known to be whole', async () => {
    const made = await plant()
    const next = ORIGIN.replace('2026h2', '2027h1')
    await seal(dir, made.opening, [made.messages.slice(0, 15)])
    await cp(dir, `${dir}-early`, { recursive: true })
    await seal(dir, made.opening, [made.messages.slice(0, 15), made.messages.slice(15)])
    const late = await heartbeats(made.sources['token-issuer'] as TestSource, 1)
    await seal(dir, made.opening, [late], { now: new Date('2027-01-02T00:00:00Z') })
    const found = async () => {
      const { whole, epochs, gaps } = await (await open()).find({ intent: 'intent-1' })
      return { whole, epochs, gaps }
    }
    expect(await found()).toEqual({ whole: true, epochs: [ORIGIN, next], gaps: [] })
    await rm(join(dir, ORIGIN), { recursive: true })
    await rm(join(dir, `${ORIGIN}.meta`), { recursive: true })
    const missing = { log: next, before: ORIGIN, why: 'missing' }
    expect(await found()).toEqual({ whole: false, epochs: [next], gaps: [missing] })
    // What is here of it ends before it ended.
    await cp(`${dir}-early`, dir, { recursive: true })
    await rm(`${dir}-early`, { recursive: true })
    expect(await found()).toEqual({
      whole: false,
      epochs: [ORIGIN, next],
      gaps: [{ ...missing, why: 'ends otherwise' }],
    })
    await rm(join(dir, next, 'tile/entries/000.p/2'))
    expect((await found()).gaps).toEqual([{ log: next, why: 'not said' }])
  })

  test('shows what came since, and stands still when it does not go on from what was shown', async () => {
    const made = await plant()
    await seal(dir, made.opening, [made.messages.slice(0, 10)])
    const other = `${dir}-other`
    await cp(dir, other, { recursive: true })
    const log = await open()
    expect(await log.refresh()).toBe(false)
    await seal(dir, made.opening, [made.messages.slice(0, 10), made.messages.slice(10)])
    const size = log.newest.size
    expect(await log.refresh()).toBe(true)
    expect(verdicts(await all(log, size))).toEqual([])
    await rm(dir, { recursive: true })
    await cp(other, dir, { recursive: true })
    await rm(other, { recursive: true })
    await expect(log.refresh()).rejects.toMatchObject({ code: 'chain_broken' })
  })
})

describe('finding', () => {
  const told = [
    'intent.accepted',
    'policy.decided',
    'policy.decided',
    'token.issued',
    'plan.dispatched',
    'token.redeemed',
    'action.started',
    'action.succeeded',
    'action.succeeded',
  ]
  const search = async (...[what]: Parameters<EvidenceLog['find']>) => {
    const { intents, others } = await (await open({ subjectKeys })).find(what)
    return [intents.length, others.count]
  }

  test('tells an intent in the order of its chain, by its id or its digest, whatever order it was recorded in', async () => {
    const made = await plant()
    await seal(dir, made.opening, [made.messages.toReversed()])
    for (const name of ['intent-1', made.intentDigest]) {
      const story = await storyOf(await open(), name)
      expect(story.events.map(({ read }) => read.event.type)).toEqual(told)
      expect(story).toMatchObject({ verified: true, state: 'succeeded', agent_id: 'a1', intent_id: 'intent-1' })
    }
  })

  test('opens what keys are given for, and leaves the rest sealed', async () => {
    await make()
    const sealed = await storyOf(await open())
    expect(sealed.intent).toBeUndefined()
    expect(sealed.decisions).toMatchObject([{ outcome: 'allow', policy: { version: 1 } }])
    const opened = await storyOf(await open({ subjectKeys }))
    expect(opened.intent).toMatchObject({ on_behalf_of: 'u1', purpose: 'test', targets: ['press-1'] })
    expect(opened.steps).toMatchObject([{ state: 'succeeded', outcome: { state: 'succeeded' } }])
  })

  test('finds by agent, by device and by time, and nothing where all of them do not hold', async () => {
    await make()
    expect(await search({ agent: 'a1' })).toEqual([1, 1])
    expect(await search({ device: 'press-1' })).toEqual([1, 1])
    expect(await search({ agent: 'a1', device: 'press-2' })).toEqual([0, 0])
    expect(await search({ agent: 'a2' })).toEqual([0, 0])
    expect(await search({ fromMs: (START + 4) * 1000, toMs: (START + 5) * 1000 })).toEqual([0, 1])
    expect(await search({ fromMs: (START + 3600) * 1000 })).toEqual([0, 0])
    const [intents] = await search({ fromMs: START * 1000, toMs: (START + 3600) * 1000 })
    expect(intents).toBe(1)
  })

  test('finds an intent of a device that came to nothing, for who can open it', async () => {
    await make({}, async ({ sources }) => {
      const intent = await signMessage(keys.agent, intentMessage, {
        iss: 'a1',
        aud: `writ:${REGION}`,
        iat: START,
        exp: START + 60,
        jti: 'intent-2',
        on_behalf_of: 'u1',
        action: 'restart',
        targets: ['press-9'],
        purpose: 'test',
      })
      const userKey = { kid: 'u-anna-2026q4', key: subjectKeys.get('u-anna-2026q4') as Uint8Array }
      const about = { agent_id: 'a1', intent: 'restart', intent_id: 'intent-2', intent_digest: digestOf(intent) }
      const event = auditEvent('intent.refused', {
        ...about,
        reasons: ['unknown_device'],
        detail: { state: 'denied' },
        documents: [await sealDocument(intentMessage.typ, intent, userKey)],
      })
      return [await (sources['intent-gateway'] as TestSource).message('refused', START + 40, [event])]
    })
    expect(await search({ device: 'press-9' })).toEqual([1, 0])
    expect((await (await open()).find({ device: 'press-9' })).intents).toHaveLength(0)
    const story = await storyOf(await open({ subjectKeys }), 'intent-2')
    expect(story).toMatchObject({ state: 'denied', reasons: ['unknown_device'], intent: { targets: ['press-9'] } })
  })

  test('hostile entries neither stop it nor are left out', async () => {
    const body = (payload: unknown) => `e30.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.e30`
    const source = 'token-issuer/i1/b1'
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'x', typ: 'writ-audit+jwt' })).toString('base64url')
    const hostile = [{ documents: 5 }, { type: 'record.filed', detail: 7 }, null, 'x', { intent_digest: {} }]
    const payload = { source, seq: 90, events: hostile }
    await make({}, async () => [
      { name: 'hostile', stream: 'AUDIT', source, body: `${header}.${body(payload).split('.', 2)[1]}.e30` },
    ])
    const log = await open()
    const { intents, whole } = await log.find({ intent: 'intent-1' })
    expect([intents.length, whole]).toEqual([1, true])
    expect(verdicts(await all(log))).toEqual(['message_malformed'])
  })
})

test('the state of an intent follows from its steps: ended well, in part, badly, not known, or not ended', async () => {
  const made = await make()
  const log = await open({ subjectKeys })
  const { intents } = await log.find({ intent: 'intent-1' })
  const entries = (await intents[0]?.read()) ?? []
  const as = (type: string) =>
    entries.map((entry) => ({
      ...entry,
      events: entry.events.map((read) =>
        read.event.type === 'action.succeeded'
          ? { ...read, event: { ...read.event, type: type as 'action.failed' } }
          : read,
      ),
    }))
  const state = (list: readonly ReadEntry[]) => intentStory(made.intentDigest, list).state
  expect(intentStory(made.intentDigest, entries).targets).toBe(1)
  expect(state(entries)).toBe('succeeded')
  expect(state(as('action.failed'))).toBe('failed')
  expect(state(as('action.unknown'))).toBe('unknown')
  expect(state(entries.filter((entry) => !types([entry]).includes('action.succeeded')))).toBe('open')
})

describe('an intent of several devices of which one step ran', () => {
  const targets = ['press-1', 'press-2'] as const
  const beat = (seconds: number) => async (made: Made) =>
    await heartbeats(made.sources['token-issuer'] as TestSource, 1, START + seconds)

  test.each([
    ['opened', subjectKeys],
    ['sealed', undefined],
  ])(
    'has not ended while the plan may run, and ended in part when its time is over: %s',
    async (_, subjectKeysGiven) => {
      const given = subjectKeysGiven === undefined ? {} : { subjectKeys: subjectKeysGiven }
      await make({ targets }, beat(PLAN_SECONDS - 100))
      expect(await storyOf(await open(given))).toMatchObject({
        state: 'open',
        targets: 2,
        steps: [{ state: 'succeeded' }],
      })
      await rm(dir, { recursive: true })
      await make({ targets }, beat(PLAN_SECONDS + 100))
      expect(await storyOf(await open(given))).toMatchObject({ state: 'partial', verified: true, targets: 2 })
    },
  )

  test('is not said to have succeeded where nothing here says how many there were', async () => {
    // Without the devices' records nobody knows which of the decision's records are devices.
    const made = await make({ omit: ['record device'] }, beat(PLAN_SECONDS + 100))
    const story = await storyOf(await open())
    expect(story).toMatchObject({ state: 'unknown', steps: [{ state: 'succeeded' }] })
    expect(story.targets).toBeUndefined()
    const { intents } = await (await open()).find({ intent: 'intent-1' })
    expect(intentStory(made.intentDigest, (await intents[0]?.read()) ?? []).state).toBe('unknown')
  })
})
