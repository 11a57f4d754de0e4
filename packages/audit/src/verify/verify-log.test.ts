import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { approvalMessage, intentMessage } from '@writ/contracts'
import { generateJwk, sha256, signerOf, signJws, signMessage } from '@writ/keys'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sealDocument } from '../documents/sealed-document.ts'
import { blobKey } from '../log/log-keys.ts'
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
import { entriesAbout, findEntries } from './entries-about.ts'
import { directoryReader } from './log-reader.ts'
import type { Finding, Verdict } from './verdicts.ts'
import { type LogVerification, type VerifyOptions, verifyLog } from './verify-log.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'writ-verify-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const verify = (over: Partial<VerifyOptions> = {}): Promise<LogVerification> =>
  verifyLog({ reader: directoryReader(dir), vkeys, pins, complete: true, ...over })

/** Verifies a plant's log with one thing wrong. `more`: messages that come after all others. */
async function findingsOf(
  options: PlantOptions,
  over: Partial<VerifyOptions> = {},
  more: (made: Awaited<ReturnType<typeof plant>>) => Promise<Message[]> = async () => [],
): Promise<readonly Finding[]> {
  const made = await plant(options)
  await seal(dir, made.opening, [[...made.messages, ...(await more(made))]])
  const { ok, findings } = await verify(over)
  expect(ok).toBe(findings.length === 0)
  return findings
}

async function verdictsOf(...args: Parameters<typeof findingsOf>): Promise<Verdict[]> {
  return [...new Set((await findingsOf(...args)).map(({ verdict }) => verdict))].sort()
}

const change = (fields: Partial<NewEvent>) => (events: NewEvent[]) =>
  events.map((event, at) => (at === events.length - 1 ? { ...event, ...fields } : event))
const changeDetail = (detail: object) => (events: NewEvent[]) =>
  events.map((event) => (event.detail === undefined ? event : { ...event, detail: { ...event.detail, ...detail } }))
const other = clearDocument('', 'other.digest.x').digest

// ---- What holds ----------------------------------------------------------------------------------------------------

describe('a whole log', () => {
  test('verifies with nothing but its files and the pins; sealed documents are no damage', async () => {
    const { messages, opening } = await plant()
    await seal(dir, opening, [messages.slice(0, 8), messages.slice(8)])
    const found = await verify()
    expect(found.findings).toEqual([])
    expect(found).toMatchObject({ ok: true, origin: ORIGIN, size: 20, messages: 20, sources: 5, seals: 3 })
    expect(found).toMatchObject({ effects: 6, documents: 13, sealed: 6, waiting: 0 })
  })

  test('opens its documents for who has the keys, and for half of the keys half of them', async () => {
    const { messages, opening } = await plant()
    await seal(dir, opening, [messages])
    expect(await verify({ subjectKeys })).toMatchObject({ ok: true, sealed: 0 })
    const some = new Map([['records', subjectKeys.get('records') as Uint8Array]])
    expect(await verify({ subjectKeys: some })).toMatchObject({ ok: true, sealed: 2 })
  })

  test('verifies when what a gateway said was sealed before the services’ evidence for it', async () => {
    const { messages, opening } = await plant()
    const edge = messages.filter(({ stream }) => stream === 'AUDIT_EDGE')
    const services = messages.filter(({ stream }) => stream === 'AUDIT')
    await seal(dir, opening, [edge, services])
    expect(await verify()).toMatchObject({ ok: true })
  })

  test('verifies under a key that was pinned for the region, not for the epoch', async () => {
    const { messages, opening } = await plant()
    await seal(dir, opening, [messages])
    expect(await verify({ vkeys: [keys.log.verifier('audit.example/eusc-de-east-1')] })).toMatchObject({ ok: true })
    await expect(verify({ vkeys: [keys.log.verifier('other.example/eusc-de-east-1')] })).rejects.toThrow('no log')
  })

  test('takes a message that entered twice for one', async () => {
    const { messages, opening } = await plant()
    await seal(dir, opening, [messages, messages])
    expect(await verify()).toMatchObject({ ok: true, messages: 20 })
  })

  test('says of an effect of the last moment that its evidence may be on its way, and later that it is missing', async () => {
    const made = await plant({ omit: ['redeem'] })
    await seal(dir, made.opening, [made.messages])
    expect(await verify({ complete: false })).toMatchObject({ ok: true, waiting: 3 })
    expect((await verify()).findings.map(({ verdict }) => verdict)).toEqual(Array(3).fill('evidence_missing'))
    const late = await heartbeats(made.sources['token-issuer'] as TestSource, 1, START + 90)
    await seal(dir, made.opening, [[...made.messages, ...late]])
    expect(await verify({ complete: false })).toMatchObject({ ok: false, waiting: 0 })
  })
})

describe('finding what is about an intent', () => {
  test('gives leaf indexes, sources and types', async () => {
    const { messages, opening, intentDigest } = await plant()
    await seal(dir, opening, [messages])
    const found = await entriesAbout(dir, ORIGIN, intentDigest)
    expect(found.map(({ source, types }) => `${source.split('/')[0]} ${types.join(' ')}`).sort()).toEqual(
      [
        'intent-gateway intent.accepted',
        'policy-evaluator policy.decided',
        'token-issuer token.issued',
        'intent-gateway policy.decided plan.dispatched',
        'token-issuer token.redeemed',
        'gateway action.started',
        'gateway action.succeeded',
        'intent-gateway action.succeeded',
      ].sort(),
    )
    expect(await entriesAbout(dir, 'audit.example/eusc-de-east-1', intentDigest)).toEqual(found)
    for await (const { index, events } of findEntries(
      directoryReader(dir),
      ORIGIN,
      ({ type }) => type === 'log.opened',
    ))
      expect([index, events.length]).toEqual([0, 1])
    expect(await entriesAbout(dir, ORIGIN, other)).toEqual([])
  })

  test('goes on past entries that are no audit messages, and counts them', async () => {
    const { messages, opening, intentDigest } = await plant()
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const body = (payload: unknown) => `${part({ alg: 'ES256', kid: 'x', typ: 'writ-audit+jwt' })}.${part(payload)}.e30`
    const source = 'gateway/g1/b1'
    const hostile = [{ events: [null] }, { events: [{ documents: 5 }] }, { events: [{ documents: [null] }] }, null]
    const sent = hostile.map((payload) => {
      const claims = payload === null ? null : { source, seq: 0, ...payload }
      return { name: 'hostile', stream: 'AUDIT_EDGE' as const, source, body: body(claims) }
    })
    await seal(dir, opening, [[...messages, ...sent]])
    expect((await entriesAbout(dir, ORIGIN, intentDigest)).flatMap(({ types }) => types)).toHaveLength(9)
    const found = findEntries(
      directoryReader(dir),
      ORIGIN,
      () => true,
      (index) => skipped.push(index),
    )
    const skipped: number[] = []
    let entries = 0
    for await (const { events } of found) entries += Math.sign(events.length)
    const { size } = await verify()
    expect([entries, skipped.length, entries + skipped.length]).toEqual([20, size - 20, size])
    expect(size).toBeGreaterThan(20)
  })
})

// ---- Who signed ----------------------------------------------------------------------------------------------------

/** What intent-gateway told of a revoke, then what another source signed so many seconds later. */
async function afterRevoke(
  said: object,
  later: (made: Awaited<ReturnType<typeof plant>>) => Promise<readonly (Message | Promise<Message>)[]>,
  more: readonly Message[] = [],
  over: Partial<VerifyOptions> = {},
): Promise<Verdict[]> {
  const made = await plant()
  const gateway = made.sources['intent-gateway'] as TestSource
  const told = await gateway.message('revoked', START + 60, [await withdrawal(7, said, { iat: START + 60 })])
  const messages = await Promise.all(await later(made))
  await seal(dir, made.opening, [made.messages, [told, ...more], messages])
  return (await verify(over)).findings.map(({ verdict }) => verdict)
}
const decided = (intent: string) => [bareEvent('policy.decided', { intent_digest: intent }, 'denied')]
const from = (made: Awaited<ReturnType<typeof plant>>, name: string) => made.sources[name] as TestSource

describe('a revoke that came before', { timeout: 30_000 }, () => {
  const { kid } = keys.services['policy-evaluator']
  const revokeKey = { command: 'revoke', scope: 'key', id: kid }

  test('takes a service’s key its authority: what it decides then is a finding, that it is alive and what it said before is none', async () => {
    const late = (seconds: number) => (made: Awaited<ReturnType<typeof plant>>) =>
      Promise.resolve([from(made, 'policy-evaluator').message('late', START + seconds, decided(made.intentDigest))])
    expect(await afterRevoke(revokeKey, late(100))).toEqual(['key_expired'])
    await rm(dir, { recursive: true })
    expect(await afterRevoke(revokeKey, late(65))).toEqual([])
    await rm(dir, { recursive: true })
    expect(await afterRevoke({ ...revokeKey, id: keys.stranger.kid }, late(100))).toEqual([])
    await rm(dir, { recursive: true })
    const beat = async (made: Awaited<ReturnType<typeof plant>>) =>
      await heartbeats(from(made, 'policy-evaluator'), 1, START + 100)
    expect(await afterRevoke(revokeKey, beat)).toEqual([])
  })

  test('is judged where id and scope are sealed too, for who can open them, and has to be what its event says', async () => {
    const late = async (made: Awaited<ReturnType<typeof plant>>) => {
      const about = { iat: START + 60, clear: {} }
      const sealed = await from(made, 'intent-gateway').message('sealed', START + 60, [
        await withdrawal(8, { ...revokeKey, id: keys.services['token-issuer'].kid }, about),
      ])
      const issued = [bareEvent('token.issued', { intent_digest: made.intentDigest })]
      return [sealed, await from(made, 'token-issuer').message('late', START + 100, issued)]
    }
    const harmless = { ...revokeKey, id: keys.stranger.kid }
    expect(await afterRevoke(harmless, late)).not.toContain('key_expired')
    await rm(dir, { recursive: true })
    expect(await afterRevoke(harmless, late, [], { subjectKeys })).toContain('key_expired')
    await rm(dir, { recursive: true })
    const lie = async (made: Awaited<ReturnType<typeof plant>>) => [
      await from(made, 'intent-gateway').message('lie', START + 70, [
        await withdrawal(8, revokeKey, { iat: START + 70, clear: { scope: 'key', id: keys.stranger.kid } }),
      ]),
    ]
    expect(await afterRevoke(harmless, lie, [], { subjectKeys })).toEqual(['document_invalid'])
  })

  test('ends when it is lifted, and a revoke of endorsements with the next endorsement', async () => {
    const lifted = async (made: Awaited<ReturnType<typeof plant>>) => {
      const lift = await withdrawal(8, { command: 'lift', lifts: 7 }, { iat: START + 80 })
      const told = await from(made, 'intent-gateway').message('lift', START + 80, [lift])
      return [told, from(made, 'policy-evaluator').message('late', START + 100, decided(made.intentDigest))]
    }
    expect(await afterRevoke(revokeKey, lifted)).toEqual([])
    await rm(dir, { recursive: true })
    const all = { command: 'revoke', scope: 'endorsements', id: 'policy-evaluator' }
    const again = (iat: number) => async (made: Awaited<ReturnType<typeof plant>>) => {
      const renewed = auditEvent('source.heartbeat', { documents: [await endorsement('policy-evaluator', { iat })] })
      const evaluator = from(made, 'policy-evaluator')
      const first = await evaluator.message('renewed', START + 62, [renewed])
      return [first, await evaluator.message('late', START + 100, decided(made.intentDigest))]
    }
    expect(await afterRevoke(all, again(START + 60))).toEqual([])
    await rm(dir, { recursive: true })
    expect(await afterRevoke(all, again(START + 59))).toEqual(['key_expired'])
    await rm(dir, { recursive: true })
    expect(await afterRevoke({ ...all, id: 'token-issuer' }, again(START + 59))).toEqual([])
  })

  test('of a gateway’s key lets it report what ran, and begin nothing', async () => {
    const gateway = { ...revokeKey, id: keys.gateway.kid }
    const says = (type: 'action.started' | 'action.succeeded') => async (made: Awaited<ReturnType<typeof plant>>) => {
      const step = { intent_digest: made.intentDigest, plan_id: made.planId, gateway_id: 'g1', device_id: 'press-1' }
      const event = auditEvent(type, { ...step, detail: { step_id: 's0', use: 1 } })
      return [await from(made, 'gateway').message('late', START + 100, [event])]
    }
    expect(await afterRevoke(gateway, says('action.started'))).toEqual(['key_expired'])
    await rm(dir, { recursive: true })
    expect(await afterRevoke(gateway, says('action.succeeded'))).toEqual([])
  })

  test('of an operator’s key ends its word, also after a lift: records that it signed, and control messages by their order alone', async () => {
    const root = { ...revokeKey, id: keys.root.kid }
    const filed = async (made: Awaited<ReturnType<typeof plant>>) => {
      const { event } = await filing(
        'agent',
        'a2',
        1,
        { keys: [keys.stranger.jwk], users: ['u'], actions: [], groups: [] },
        [keys.stranger],
      )
      return [await from(made, 'intent-gateway').message('filed', START + 100, [event])]
    }
    expect(await afterRevoke(root, filed)).toEqual([])
    await rm(dir, { recursive: true })
    expect(await afterRevoke(root, filed, [], { subjectKeys })).toEqual(['document_invalid'])
    await rm(dir, { recursive: true })
    const control = (seq: number) => async (made: Awaited<ReturnType<typeof plant>>) => {
      const revoke = await withdrawal(seq, { ...revokeKey, id: keys.stranger.kid }, { iat: START + 61 })
      return [await from(made, 'intent-gateway').message('control', START + 61, [revoke])]
    }
    expect(await afterRevoke(root, control(8), [], { subjectKeys })).toEqual(['document_invalid'])
    await rm(dir, { recursive: true })
    expect(await afterRevoke(root, control(6), [], { subjectKeys })).toEqual([])
  })

  test('takes nothing from what a revoked key says: no record, and no revoke or lift of its own', async () => {
    const own = { ...revokeKey, id: keys.services['intent-gateway'].kid }
    const lifts = async (made: Awaited<ReturnType<typeof plant>>) => {
      const lift = await withdrawal(8, { command: 'lift', lifts: 7 }, { iat: START + 80 })
      const sayer = from(made, 'intent-gateway')
      const told = await sayer.message('lift', START + 80, [lift])
      const accepted = [bareEvent('intent.accepted', { intent_digest: made.intentDigest })]
      return [told, await sayer.message('late', START + 100, accepted)]
    }
    expect(await afterRevoke(own, lifts)).toEqual(['key_expired'])
  })
})

describe('a record whose kind needs two operators', { timeout: 30_000 }, () => {
  const record = { bundle_sha256: other, revision: 'r2' }
  const two = { pins: { ...pins, two_person: ['policy' as const] } }
  const second = keys.stranger
  async function filed(
    cosigners: Readonly<Record<string, (typeof keys)['root']>>,
    over: Partial<VerifyOptions>,
    change: (event: NewEvent) => NewEvent[] = (event) => [event],
  ) {
    const made = await plant({ omit: ['record policy'] })
    const operator = await filing('operator', 'ines', 1, { keys: [second.jwk], user: 'u-ines' }, [second])
    const { event } = await filing('policy', 'active', 2, record, [], keys.root, cosigners)
    const said = await from(made, 'intent-gateway').message('policy', START + 60, [operator.event, ...change(event)])
    await seal(dir, made.opening, [[...made.messages, said]])
    const { findings, twoPerson } = await verify(over)
    await rm(dir, { recursive: true })
    return {
      verdicts: findings.filter(({ message }) => !/plan|token/.test(message)).map(({ verdict }) => verdict),
      twoPerson,
    }
  }

  test('has both, by what is sealed and by what is opened', async () => {
    for (const over of [two, { ...two, subjectKeys }])
      expect(await filed({ ines: second }, over)).toEqual({ verdicts: [], twoPerson: 1 })
    // A large command and its cosigns come as two events.
    const apart = ({ documents = [], ...event }: NewEvent) =>
      documents.map((document) => ({ ...event, documents: [document] }))
    expect(await filed({ ines: second }, two, apart as never)).toEqual({ verdicts: [], twoPerson: 1 })
  })

  test('and is a finding where it has one', async () => {
    expect(await filed({}, two)).toEqual({ verdicts: ['evidence_missing'], twoPerson: 1 })
    // The same operator twice is one, for who can open it.
    expect(await filed({ root: keys.root }, { ...two, subjectKeys })).toMatchObject({ verdicts: ['evidence_missing'] })
    // A stranger's word is none.
    const forged = await filed({ ines: keys.agent }, { ...two, subjectKeys })
    expect(forged.verdicts.toSorted()).toEqual(['document_invalid', 'evidence_missing'])
  })

  test('is not judged where the pins do not say which kinds do', async () => {
    expect(await filed({}, {})).toEqual({ verdicts: [], twoPerson: undefined })
    expect(await filed({}, { pins: { ...pins, two_person: ['agent'] } })).toMatchObject({ twoPerson: 1 })
  })
})

describe('signatures', () => {
  test('of a stranger are nobody’s', async () => {
    const findings = await findingsOf({ sign: { token: keys.stranger } })
    expect(findings[0]).toMatchObject({
      verdict: 'key_not_endorsed',
      where: { source: 'token-issuer/i1/b1', kid: keys.stranger.kid },
    })
  })

  test('that do not verify are named', async () => {
    const forge = (body: string) =>
      `${body.slice(0, body.lastIndexOf('.'))}.${Buffer.alloc(64, 1).toString('base64url')}`
    const made = await plant()
    const messages = made.messages.map((one) => (one.name === 'token' ? { ...one, body: forge(one.body) } : one))
    await seal(dir, made.opening, [messages])
    expect((await verify()).findings[0]).toMatchObject({ verdict: 'signature_invalid' })
  })

  test('of a key that another anchor endorsed do not count', async () => {
    const edit = {
      'token-issuer started': async (events: NewEvent[]) =>
        change({ documents: [await endorsement('token-issuer', { by: keys.anchors['policy-evaluator'] })] })(events),
    }
    expect(await verdictsOf({ edit })).toContain('key_not_endorsed')
  })

  test('of a key that was endorsed for another role or instance do not count', async () => {
    const { kid, jwk } = keys.services['policy-evaluator']
    for (const over of [{ instance: 'i2' }, { kid, jwk }]) {
      const edit = {
        'token-issuer started': async (events: NewEvent[]) =>
          change({ documents: [await endorsement('token-issuer', over)] })(events),
      }
      expect(await verdictsOf({ edit })).toContain('key_not_endorsed')
      await rm(dir, { recursive: true })
    }
    expect(await verdictsOf({ sign: { token: keys.services['policy-evaluator'] } })).toContain('key_not_endorsed')
  })

  test('outside the time of the endorsement do not count, and a later endorsement of the key makes them count again', async () => {
    const after = { 'token-issuer heartbeat': 4000 }
    expect(await verdictsOf({ at: after })).toEqual(['key_expired'])
    await rm(dir, { recursive: true })
    const renewed = {
      'token-issuer heartbeat': async (events: NewEvent[]) =>
        change({ documents: [await endorsement('token-issuer', { iat: START + 3000, exp: START + 6000 })] })(events),
    }
    expect(await verdictsOf({ at: after, edit: renewed })).toEqual([])
    await rm(dir, { recursive: true })
    expect(await verdictsOf({ at: { token: -60 } })).toContain('key_expired')
  })

  test('of an endorsement that was never recorded leave all of its source unjudged', async () => {
    expect(await verdictsOf({ edit: { 'token-issuer started': change({ documents: [] }) } })).toContain(
      'key_not_endorsed',
    )
  })

  test('of a gateway whose record was not filed do not count', async () => {
    expect(await verdictsOf({ omit: ['record gateway'] })).toContain('key_not_endorsed')
  })

  test('of a gateway under a key that its record has dropped do not count', async () => {
    const { event } = await filing('gateway', 'g1', 2, { keys: [keys.stranger.jwk], jurisdiction: 'eusc-de-east-1' }, [
      keys.stranger,
    ])
    const rotate = async ({ sources }: Awaited<ReturnType<typeof plant>>) => [
      await (sources['intent-gateway'] as TestSource).message('rotated', START + 50, [event]),
      await (sources['gateway'] as TestSource).message('late', START + 70, [auditEvent('source.heartbeat', {})]),
    ]
    expect(await verdictsOf({}, {}, rotate)).toEqual(['key_expired'])
  })

  test('of another gateway’s name do not count', async () => {
    const strange = async () => [
      await new TestSource('gateway/g2/b1', keys.gateway).message('x', START, [auditEvent('source.started', {})]),
    ]
    expect(await verdictsOf({}, {}, strange)).toEqual(['key_not_endorsed'])
  })

  test('on what is no audit message of its source do not help', async () => {
    const odd = async () => {
      const source = new TestSource('token-issuer/i1/b2', keys.services['token-issuer'])
      const message = await source.message('x', START, [auditEvent('source.started', {})])
      return [message, { ...message, source: 'nobody/i1/b1', body: await resigned(message.body, 'nobody/i1/b1') }]
    }
    expect(await verdictsOf({}, {}, odd)).toEqual(['message_malformed'])
  })
})

async function resigned(body: string, source: string): Promise<string> {
  const payload = JSON.parse(Buffer.from(body.split('.')[1] ?? '', 'base64url').toString()) as object
  return await signJws(signerOf(generateJwk('ES256')), 'writ-audit+jwt', { ...payload, source })
}

// ---- Chains of sources ---------------------------------------------------------------------------------------------

describe('the chain of a source', () => {
  test('shows a gap by its numbers', async () => {
    const findings = await findingsOf({ lose: ['intent', 'record policy'] }, {}, async () => [])
    const gaps = findings.filter(({ verdict }) => verdict === 'source_gap')
    expect(gaps).toMatchObject([{ where: { source: 'intent-gateway/i1/b1', seq: 4 } }])
    expect(gaps[0]?.message).toBe('Messages 4 to 5 of intent-gateway/i1/b1 are missing.')
  })

  test('shows two messages under one number, wherever the other one is', async () => {
    const fork = async ({ sources }: Awaited<ReturnType<typeof plant>>) => {
      const source = sources['token-issuer'] as TestSource
      source.seq = 1
      source.prev = other
      return [await source.message('fork', START + 50, [auditEvent('source.heartbeat', {})])]
    }
    const findings = await findingsOf({}, {}, fork)
    expect(findings).toMatchObject([
      { verdict: 'source_forked', where: { source: 'token-issuer/i1/b1', seq: 1, leaf: 17 } },
    ])
  })

  test('shows a message that follows another history', async () => {
    const fork = async ({ sources }: Awaited<ReturnType<typeof plant>>) => {
      const source = sources['token-issuer'] as TestSource
      source.prev = other
      return [await source.message('fork', START + 50, [auditEvent('source.heartbeat', {})])]
    }
    expect(await verdictsOf({}, {}, fork)).toEqual(['source_forked'])
  })

  test('goes on where holes were filled later', async () => {
    const { messages, opening } = await plant()
    const late = messages.filter(({ name }) => name === 'intent' || name === 'record agent')
    await seal(dir, opening, [messages.filter((one) => !late.includes(one)), late])
    expect(await verify()).toMatchObject({ ok: true })
  })

  test('must reach the end that its next boot names', async () => {
    const next = (seq: number, digest: string) => async () => [
      await new TestSource('token-issuer/i1/b2', keys.services['token-issuer']).message('next', START + 5, [
        auditEvent('source.started', { detail: { previous: { source: 'token-issuer/i1/b1', seq, digest } } }),
      ]),
    ]
    expect(await verdictsOf({}, {}, next(5, other))).toEqual(['source_gap'])
    await rm(dir, { recursive: true })
    expect(await verdictsOf({}, {}, next(3, other))).toEqual(['source_forked'])
    await rm(dir, { recursive: true })
    expect(
      await verdictsOf({}, {}, async (made) => next(3, (made.sources['token-issuer'] as TestSource).prev ?? '')()),
    ).toEqual([])
  })

  test('ends where its own next boot says, and not where another source says', async () => {
    for (const seq of [0, 3, 90]) {
      const hostile = async ({ sources }: Awaited<ReturnType<typeof plant>>) => [
        await (sources['gateway'] as TestSource).message('odd', START + 60, [
          auditEvent('source.started', { detail: { previous: { source: 'token-issuer/i1/b1', seq, digest: other } } }),
        ]),
      ]
      expect(await verdictsOf({}, {}, hostile)).toEqual(['out_of_role'])
      await rm(dir, { recursive: true })
    }
  })
})

// ---- Evidence ------------------------------------------------------------------------------------------------------

describe('the chain of an effect', () => {
  const noDocuments = (events: NewEvent[]) => events.map(({ documents: _, ...event }) => event)
  test.each<[string, PlantOptions, RegExp]>([
    ['an intent', { edit: { intent: noDocuments } }, /no intent/],
    ['a record', { edit: { 'record agent': noDocuments } }, /no record/],
    ['the policy record', { edit: { 'record policy': noDocuments } }, /no record/],
    ['a decision in the dispatcher’s own chain', { edit: { plan: (events) => events.slice(1) } }, /no decision/],
    [
      'any decision',
      { edit: { plan: (events) => events.slice(1), decision: noDocuments } },
      /The token .* no decision/,
    ],
    ['a token', { omit: ['token'] }, /no token that was issued/],
    ['a plan', { omit: ['plan'] }, /no plan that was dispatched|not dispatched/],
    ['a redeem', { omit: ['redeem'] }, /not redeemed/],
    ['the message of a redeem', { edit: { redeem: noDocuments } }, /no message of its gateway/],
    ['records that the plan names', { edit: { plan: changeDetail({ records: [other] }) } }, /no record/],
    ['any record', { edit: { plan: changeDetail({ records: [] }) } }, /names no records/],
    ['the decision that the plan names', { edit: { plan: changeDetail({ decision_digest: other }) } }, /no decision/],
    ['the token of a redeem', { edit: { redeem: changeDetail({ token_digest: other }) } }, /another use|another token/],
    ['the plan of an action', { edit: { 'action started': change({ plan_id: 'p1' }) } }, /no plan of its intent/],
    [
      'the intent of an action',
      { edit: { 'action started': change({ intent_digest: other }) } },
      /no plan of its intent/,
    ],
    ['the step of an action', { edit: { 'action started': changeDetail({ step_id: 's1' }) } }, /not redeemed/],
    ['the use of an action', { edit: { 'action started': changeDetail({ use: 2 }) } }, /not redeemed/],
    [
      'the record of an action’s device',
      { edit: { 'action started': change({ device_id: 'press-9' }) } },
      /names no record of it/,
    ],
    ['the device of a record', { edit: { 'record device': changeDetail({ id: 'press-9' }) } }, /names no record of it/],
    [
      'a device',
      {
        edit: {
          'action succeeded': (events: NewEvent[]) => events.map(({ device_id: _, ...event }) => event as NewEvent),
        },
      },
      /names no device/,
    ],
  ])('without %s is named', async (_, options, message) => {
    const findings = await findingsOf(options)
    expect(
      findings.some((finding) => message.test(finding.message)),
      JSON.stringify(findings),
    ).toBe(true)
    expect(findings.some(({ verdict }) => verdict === 'evidence_missing' || verdict === 'document_invalid')).toBe(true)
  })

  test('is about the target of its step, for who opens the intent', async () => {
    const targets = ['press-1', 'press-2'] as const
    expect(await findingsOf({ targets }, { subjectKeys })).toEqual([])
    await rm(dir, { recursive: true })
    const otherDevice = { targets, edit: { 'action started': change({ device_id: 'press-2' }) } }
    expect(await findingsOf(otherDevice, { subjectKeys })).toMatchObject([
      { verdict: 'evidence_missing', message: expect.stringContaining('does not name for step s0') },
    ])
  })

  describe('that people had to approve', { timeout: 30_000 }, () => {
    const pseudonym = (letter: string) => `p:${letter.repeat(22)}`
    const [ben, eva, ada] = [pseudonym('b'), pseudonym('e'), pseudonym('a')]
    /** What intent-gateway tells of an approval, and its digest; who signed it is for those who open it. */
    async function approval(approver: string, jti: string, detail: { verdict: string }) {
      const claims = { iss: 'someone', aud: `writ:${REGION}`, iat: START, exp: START + 60, jti }
      const words = { ...claims, intent_digest: other, decision_digest: other, verdict: 'approve' }
      const jws = await signMessage(keys.stranger, approvalMessage, words as never)
      const document = await sealDocument(approvalMessage.typ, jws, { kid: 'of nobody', key: new Uint8Array(32) })
      const tell = (about: NewEvent): NewEvent => {
        const said = { ...about, approved_by: [approver], detail, documents: [document] }
        return { ...said, type: 'approval.given', status: 'succeeded' }
      }
      return { digest: document.digest, tell }
    }
    interface Given {
      /** Approvals that the decision names, and of those the ones that are told. */
      readonly by?: readonly string[]
      readonly told?: readonly string[]
      readonly demanded?: number
      readonly approvedBy?: readonly string[]
      readonly verdict?: string
    }
    async function found({
      by = [ben, eva],
      told = by,
      demanded = 2,
      approvedBy = [...new Set(by)],
      verdict = 'approve',
    }: Given): Promise<readonly string[]> {
      const given = await Promise.all(by.map((approver, at) => approval(approver, `a${at}`, { verdict })))
      const tells = given.filter((_, at) => told.includes(by[at] ?? '')).map(({ tell }) => tell)
      const obligations = { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false }
      const approvals = { count: demanded, roles: ['manager'], expires_s: 60 }
      const decided = {
        approvals: given.map(({ digest }) => digest),
        obligations: { ...obligations, ...(demanded > 0 && { approvals }) },
      }
      const edit = {
        intent: (events: NewEvent[]) => [...events, ...tells.map((tell) => tell(events[0] as NewEvent))],
        plan: change({ approved_by: [...approvedBy] }),
      }
      const findings = await findingsOf({ decided, edit })
      await rm(dir, { recursive: true })
      expect(findings.every((one) => one.verdict === 'evidence_missing')).toBe(true)
      return findings.map(({ message }) => message)
    }

    test('has as many approvals, and the plan names who gave them', async () => {
      expect(await found({})).toEqual([])
      expect(await found({ by: [ben, eva, ben] })).toEqual([])
      expect(await found({ by: [], demanded: 0, approvedBy: ['policy'] })).toEqual([])
    })

    test.each<[string, Given, RegExp]>([
      ['without approvals', { by: [], approvedBy: ['policy'] }, /demands 2 approvals and names 0/],
      ['with one too few', { by: [ben] }, /demands 2 approvals and names 1/],
      ['with two of one person', { by: [ben, ben] }, /approved by others/],
      ['with one that is not told', { told: [ben] }, /no approval|was given/],
      ['with rejections', { verdict: 'reject' }, /was given/],
      ['with another approver', { approvedBy: [ben, ada] }, /approved by others/],
      ['with one approver more', { approvedBy: [ben, eva, ada] }, /approved by others/],
      ['with one approver less', { approvedBy: [ben] }, /approved by others/],
      ['with policy alone', { approvedBy: ['policy'] }, /approved by others/],
      ['with approvers where nobody approved', { by: [], demanded: 0, approvedBy: [ben] }, /names no approvals/],
      ['with nobody at all', { by: [], demanded: 0, approvedBy: [] }, /names no approvals/],
    ])('%s is named', async (_, given, message) => {
      expect((await found(given)).join('\n')).toMatch(message)
    })
  })

  test('has its documents before it, not after', async () => {
    const swap = (events: NewEvent[]) => events.toReversed()
    const findings = await findingsOf({ edit: { plan: swap } })
    expect(findings).toMatchObject([
      { verdict: 'evidence_missing', message: expect.stringMatching(/before its decision/) },
    ])
  })

  test('of a refusal needs none', async () => {
    const refused = async ({ sources }: Awaited<ReturnType<typeof plant>>) => [
      await (sources['gateway'] as TestSource).message('refused', START + 30, [
        auditEvent('action.refused', { gateway_id: 'g1', reasons: ['bad_signature'] }),
      ]),
    ]
    expect(await verdictsOf({}, {}, refused)).toEqual([])
  })

  test('of a refusal that names a plan is that plan, sent to the gateway that refuses it', async () => {
    const g2 = async (fields: object, { planId, intentDigest }: Awaited<ReturnType<typeof plant>>, id = 'g1') => {
      const { event } = await filing('gateway', 'g2', 1, { keys: [keys.stranger.jwk], jurisdiction: 'r' }, [
        keys.stranger,
      ])
      const about = { gateway_id: id, reasons: ['too_late' as const], intent_digest: intentDigest, plan_id: planId }
      return { event, said: auditEvent('action.refused', { ...about, detail: { step_id: 's0' }, ...fields }) }
    }
    const refusals: [number, string, object][] = [
      [0, 'g1', {}],
      [1, 'g2', {}],
      [1, 'g1', { plan_id: 'p1' }],
      [1, 'g1', { intent_digest: other }],
    ]
    for (const [count, id, fields] of refusals) {
      const findings = await findingsOf({}, {}, async (made) => {
        const { event, said } = await g2(fields, made, id)
        const own = id === 'g1' ? (made.sources['gateway'] as TestSource) : undefined
        return [
          await (made.sources['intent-gateway'] as TestSource).message('filed', START + 20, [event]),
          await (own ?? new TestSource('gateway/g2/b1', keys.stranger)).message('x', START + 30, [said]),
        ]
      })
      expect(findings.map(({ verdict }) => verdict)).toEqual(Array(count).fill('evidence_missing'))
      await rm(dir, { recursive: true })
    }
  })

  test('is closed by those alone whose word it is', async () => {
    const claims = (type: NewEvent['type']) => (events: NewEvent[]) => [
      ...events,
      { type, status: 'succeeded', detail: {} } as NewEvent,
    ]
    for (const type of ['token.redeemed', 'plan.dispatched', 'record.filed', 'intent.refused'] as const) {
      expect(await verdictsOf({ edit: { 'gateway started': claims(type) } })).toEqual(['out_of_role'])
      await rm(dir, { recursive: true })
    }
    expect(await verdictsOf({ edit: { 'action started': change({ gateway_id: 'g2' }) } })).toEqual(['out_of_role'])
  })
})

describe('documents', () => {
  test('that are not what their event names are named', async () => {
    const broken = (events: NewEvent[]) =>
      events.map((event) => ({
        ...event,
        documents: event.documents?.map((document) => ({ ...document, digest: other })) ?? [],
      }))
    expect(await verdictsOf({ edit: { decision: broken } })).toContain('document_invalid')
  })

  test('that a stranger signed are named, sealed ones by who can open them', async () => {
    const operator = keys.stranger
    const made = await plant({ operator })
    await seal(dir, made.opening, [made.messages])
    expect(await verify()).toMatchObject({ ok: true })
    const { findings } = await verify({ subjectKeys })
    expect(findings.map(({ verdict }) => verdict)).toContain('document_invalid')
  })

  test('that say something else than their event are named by who can open them', async () => {
    const lie = changeDetail({ keys: [{ ...keys.stranger.jwk }] })
    const made = await plant({ edit: { 'record agent': lie } })
    await seal(dir, made.opening, [made.messages])
    expect(await verify()).toMatchObject({ ok: true })
    expect((await verify({ subjectKeys })).findings.map(({ verdict }) => verdict)).toContain('document_invalid')
  })

  test('that are about another action than their event says are named by who can open them', async () => {
    for (const name of ['intent', 'outcome']) {
      const made = await plant({ edit: { [name]: change({ intent: 'open-door' }) } })
      await seal(dir, made.opening, [made.messages])
      const messages = (await verify({ subjectKeys })).findings
        .filter(({ verdict }) => verdict === 'document_invalid')
        .map(({ message }) => message)
      expect(messages).toEqual([expect.stringContaining('another action than the event says')])
      await rm(dir, { recursive: true })
    }
  })

  test('whose names hold control characters cannot write on an auditor’s terminal', async () => {
    const odd = change({ documents: [{ typ: 'x\u001b[2J\u202e', digest: other, jws: 'a.b.c' }] })
    const findings = await findingsOf({ edit: { 'action started': odd } })
    expect(findings.map(({ message }) => message).join()).not.toMatch(/[\p{Cc}\p{Cf}]/u)
    expect(findings).toMatchObject([{ verdict: 'document_invalid' }])
  })

  test('that were sealed by a source that may not are named', async () => {
    const sealed = change({ documents: [{ typ: intentMessage.typ, digest: other, jwe: 'a.b.c.d.e' }] })
    expect(await verdictsOf({ edit: { 'action started': sealed } })).toContain('out_of_role')
  })

  test('under a key that was destroyed are sealed, and a damaged one is damaged', async () => {
    const made = await plant()
    await seal(dir, made.opening, [made.messages])
    expect(
      await verify({ subjectKeys: new Map([...subjectKeys.keys()].map((kid) => [kid, new Uint8Array(32)])) }),
    ).toMatchObject({ ok: true, sealed: 6 })
    await rm(dir, { recursive: true })
    const damaged = (events: NewEvent[]) =>
      events.map((event) => ({
        ...event,
        documents: event.documents?.map((one) => ({ ...one, jwe: `${one.jwe?.slice(0, -12)}AAAAAAAAAAAA` })) ?? [],
      }))
    expect(await verdictsOf({ edit: { intent: damaged } }, { subjectKeys })).toContain('document_invalid')
  })
})

// ---- Epochs --------------------------------------------------------------------------------------------------------

describe('a log that goes on from another', () => {
  const later = { now: new Date('2027-01-02T00:00:00Z') }
  const LATER = 'audit.example/eusc-de-east-1/2027h1'
  async function twoEpochs() {
    const made = await plant()
    const opening = async (detail: object) => {
      const from = START + ('predecessor' in detail ? 30 : 0)
      const event = auditEvent('log.opened', { detail: { ...detail } as never })
      return (await (made.sources['audit-sink'] as TestSource).message('opened', from, [event])).body
    }
    await seal(dir, opening, [made.messages])
    const more = await heartbeats(made.sources['gateway'] as TestSource, 3, START + 40)
    await seal(dir, opening, [[...made.messages, ...more]], later)
  }

  test('is verified with it: keys and chains go on', async () => {
    await twoEpochs()
    const found = await verify()
    expect(found.findings).toEqual([])
    expect(found).toMatchObject({ origin: LATER, size: 4, logs: [ORIGIN, LATER] })
  })

  test('says so when that one is not there', async () => {
    await twoEpochs()
    await rm(join(dir, ORIGIN), { recursive: true })
    await rm(join(dir, `${ORIGIN}.meta`), { recursive: true })
    const verdicts = (await verify()).findings.map(({ verdict }) => verdict)
    expect(verdicts).toContain('history_missing')
    expect(verdicts).not.toContain('source_gap')
  })

  test('says so when its list of chains is none', async () => {
    const made = await plant()
    const list = Buffer.from('{"gateway/g1/b1":null}')
    const opening = async (detail: object) => {
      const event = auditEvent('log.opened', {
        detail: { ...detail, predecessor: {}, heads: { sha256: sha256(list) } } as never,
      })
      return (await (made.sources['audit-sink'] as TestSource).message('opened', START, [event])).body
    }
    await seal(dir, opening, [made.messages])
    const blob = join(dir, blobKey(ORIGIN, sha256(list)))
    await mkdir(dirname(blob), { recursive: true })
    await writeFile(blob, list)
    expect((await verify()).findings.map(({ verdict }) => verdict)).toContain('message_malformed')
  })
})
