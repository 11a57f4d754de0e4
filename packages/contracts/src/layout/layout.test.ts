import { describe, expect, test } from 'vitest'
import { PARTY_KINDS, SERVICE_ROLES } from '../messages/common.ts'
import {
  ACCOUNTS,
  ANY,
  CONSUMERS,
  covers,
  crossings,
  diagram,
  type IdentityKind,
  overlap,
  permissions,
  REST,
  STREAMS,
  streams,
  subjects,
} from './index.ts'

const region = 'test-1'
const at = subjects(region)
const KINDS: readonly IdentityKind[] = [...PARTY_KINDS, ...SERVICE_ROLES]
const pairs = <T>(list: readonly T[]): [T, T][] => list.flatMap((a, n) => list.slice(n + 1).map((b): [T, T] => [a, b]))
const plain = (dest: string) => dest.replace(/\{\{wildcard\(\d\)\}\}/g, '*')
/** What JetStream does on request, other than reading. */
const WRITES = (subject: string) => !subject.startsWith('$JS.API.')

describe('subjects', () => {
  test('are made of plain tokens only: no id widens, extends or leaves its subject', () => {
    for (const id of ['*', '>', 'a.b', '', 'a b', 'a\n', '$x', 'é', 'x'.repeat(65)]) {
      expect(() => at.intent(id), id).toThrow()
      expect(() => subjects(id), id).toThrow()
      for (const kind of KINDS) expect(() => permissions(region, kind, id), `${kind} ${id}`).toThrow()
    }
    expect([at.intent('A'), at.intent(ANY), at.intent(REST)]).toEqual([
      'writ.v1.test-1.intent.A',
      'writ.v1.test-1.intent.*',
      'writ.v1.test-1.intent.>',
    ])
  })

  test('are taken apart into what they were made of', () => {
    expect(at.parse(at.status('A', 'i1'))).toEqual({ form: 'status', ids: ['A', 'i1'], stored: false })
    expect(at.parse(at.status('A', 'i1', 's0'))).toEqual({ form: 'stepStatus', ids: ['A', 'i1', 's0'], stored: false })
    expect(at.parse(at.stored(at.control('O')))).toEqual({ form: 'control', ids: ['O'], stored: true })
    expect(at.parse(at.sealed)).toEqual({ form: 'sealed', ids: [], stored: false })
    expect(at.parse(at.rpc('token.issue'))?.ids).toEqual(['token', 'issue'])
    expect(at.idsOf('redeem', at.redeem('G'))).toEqual(['G'])
    expect(at.idsOf('redeem', at.plan('G'))).toBeUndefined()
  })

  test('of another region, contract or shape are none of ours', () => {
    const foreign = ['writ.v1.other.intent.A', 'writ.v2.test-1.intent.A', '$KV.intents.A', '', 'intent.A']
    const misshapen = ['intent', 'intent.', 'intent.A.B', 'intent..', 'stepStatus.a.b.c', 'stored.stored.sealed', 'x.y']
    for (const subject of [...foreign, ...misshapen.map((tail) => `${at.prefix}${tail}`)])
      expect(at.parse(subject), subject).toBeUndefined()
  })

  test('an answer is given only below the request that it answers', () => {
    const subject = at.act('G', 'A')
    expect(at.answerOf({ subject, reply: at.answer(subject, 't1') })).toBe('writ.v1.test-1.answer.act.G.A.t1')
    for (const reply of [
      undefined,
      '',
      at.report('G', 'd1'),
      at.answer(at.act('G', 'B'), 't1'),
      at.outcome('G'),
      subject,
    ])
      expect(at.answerOf({ subject, reply }), reply).toBeUndefined()
  })

  test('an announced change of an intent names its key', () => {
    expect(at.storedIntentKey(`${at.prefix}stored.intents.A.i1.decision.1`)).toBe('A.i1.decision.1')
    expect(at.storedIntentKey(at.intent('A'))).toBeUndefined()
  })
})

describe('streams', () => {
  test('hold disjoint subjects, and every one of them is defined once', () => {
    const held = streams(region).flatMap((stream) => stream.subjects)
    expect(pairs(held).filter(([a, b]) => overlap(a, b))).toEqual([])
    expect(
      streams(region)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([...STREAMS].sort())
  })

  test('are flushed, refuse when full and lose nothing by command where a promise rests on them', () => {
    const ledgers = ['CONTROL', 'SIGNERS', 'REGISTRY', 'POLICIES', 'AUDIT', 'AUDIT_EDGE', 'KV_intents', 'KV_uses']
    for (const stream of streams(region).filter(({ name }) => ledgers.includes(name))) {
      expect(stream, stream.name).toMatchObject({ discard: 'new', deny_delete: true, deny_purge: true })
      expect([stream.persist_mode, stream.allow_rollup_hdrs], stream.name).toEqual([undefined, undefined])
    }
  })

  test('only the subject keys can be purged, value by value', () => {
    const purgeable = streams(region).filter(({ allow_rollup_hdrs }) => allow_rollup_hdrs)
    expect(purgeable.map(({ name }) => name)).toEqual(['KV_subject-keys'])
    expect(purgeable[0]).toMatchObject({ discard: 'new', deny_delete: true, max_msgs_per_subject: 1 })
    expect(purgeable[0]?.persist_mode).toBeUndefined()
  })

  test('are all bounded, and only CONTROL lets a message expire by itself', () => {
    for (const { name, max_bytes, max_msg_size } of streams(region))
      expect(
        [max_bytes, max_msg_size].every((n) => n > 0),
        name,
      ).toBe(true)
    expect(
      streams(region)
        .filter(({ allow_msg_ttl }) => allow_msg_ttl)
        .map(({ name }) => name),
    ).toEqual(['CONTROL'])
    expect(streams(region, { INTENTS: 5 }).find(({ name }) => name === 'INTENTS')?.max_bytes).toBe(5)
  })

  test('that only a queue consumer empties have that consumer', () => {
    const queues = streams(region)
      .filter(({ retention }) => retention === 'workqueue')
      .map(({ name }) => name)
    expect(queues.sort()).toEqual([...CONSUMERS.map(({ stream }) => stream), 'PLANS'].sort())
  })
})

describe('what crosses account borders', () => {
  test('exports of one account do not overlap: every login to it would fail', () => {
    for (const account of ACCOUNTS) {
      const exported = crossings(region)
        .filter(({ from }) => from === account)
        .map(({ subject }) => subject)
      expect(pairs(exported).filter(([a, b]) => overlap(a, b))).toEqual([])
    }
  })

  test('what writes is imported by wildcard and under its own name', () => {
    for (const crossing of crossings(region).filter(({ kind, subject }) => kind === 'service' && WRITES(subject))) {
      expect(crossing.subject).toMatch(/\.[*>](\.|$)/)
      expect(crossing.as).toBeUndefined()
    }
  })

  test('nothing of the JetStream API but pulls, direct gets and stream settings', () => {
    const api = crossings(region)
      .map(({ subject }) => subject)
      .filter((subject) => subject.startsWith('$JS.API.'))
    for (const subject of api) expect(subject).toMatch(/^\$JS\.API\.(CONSUMER\.MSG\.NEXT|DIRECT\.GET|STREAM\.INFO)\./)
  })

  test('what a stream announces is exported from where it is stored', () => {
    const announced = crossings(region).filter(({ kind, from }) => kind === 'stream' && from === 'STORE')
    for (const { name, republish } of streams(region).filter(({ republish }) => republish))
      expect(
        announced.some(({ subject }) => overlap(subject, plain(republish?.dest ?? ''))),
        name,
      ).toBe(true)
  })
})

describe('permissions', () => {
  test('nobody may answer where the asker says', () => {
    for (const kind of KINDS) expect(Object.keys(permissions(region, kind, 'X')).sort()).toEqual(['pub', 'sub'])
  })

  test('one identity shares nothing with another of its kind but what everybody of the kind may read or ask', () => {
    const shared = (kind: IdentityKind) => {
      const [a, b] = [permissions(region, kind, 'A'), permissions(region, kind, 'B')]
      return a.pub.filter((one) => b.pub.some((other) => overlap(one, other)))
    }
    expect(shared('agent')).toEqual(['$JS.API.DIRECT.GET.SIGNERS'])
    expect(shared('approver')).toEqual(['$JS.API.DIRECT.GET.SIGNERS'])
    expect(shared('gateway')).toEqual(['$JS.API.DIRECT.GET.CONTROL', '$JS.API.DIRECT.GET.SIGNERS'])
    expect(shared('operator').filter((subject) => !subject.startsWith('$JS.API.DIRECT.GET.'))).toEqual([at.bundle(ANY)])
  })

  test('inboxes are private', () => {
    const inboxes = KINDS.flatMap((kind) =>
      ['A', 'B', 'agent_A'].map((id) => permissions(region, kind, id).sub.find((s) => s.startsWith('_INBOX')) ?? ''),
    )
    expect(pairs(inboxes).filter(([a, b]) => overlap(a, b))).toEqual([])
    for (const kind of KINDS)
      expect(permissions(region, kind, 'A').pub.filter((s) => overlap(s, '_INBOX_agent_B.x'))).toEqual([])
  })

  test('whatever a party publishes has one way out of its account, or a reader inside it', () => {
    for (const kind of KINDS) {
      const account = PARTY_KINDS.some((party) => party === kind) ? 'EDGE' : 'SVC'
      const imported = crossings(region).filter(({ to, kind: sort }) => to.includes(account) && sort === 'service')
      const exported = crossings(region).filter(({ from, kind: sort }) => from === account && sort === 'stream')
      const inside = KINDS.flatMap((other) => permissions(region, other, 'X').sub)
      for (const subject of permissions(region, kind, 'X').pub.filter((s) => s !== '_R_.>')) {
        const ways = [...imported.map((one) => one.as ?? one.subject), ...exported.map((one) => one.subject)]
        expect(
          ways.some((way) => covers(way, subject)) || inside.some((heard) => overlap(heard, subject)),
          `${kind} ${subject}`,
        ).toBe(true)
      }
    }
  })

  test('every import is used by somebody', () => {
    const used = KINDS.flatMap((kind) => Object.values(permissions(region, kind, 'X')).flat())
    for (const crossing of crossings(region)) {
      const local = crossing.as ?? crossing.subject
      expect(
        used.some((subject) => overlap(local, subject)),
        local,
      ).toBe(true)
    }
  })

  test('only token-issuer claims uses, only intent-gateway keeps intents and subject keys, only audit-sink seals', () => {
    const writers = (subject: string) =>
      KINDS.filter((kind) => permissions(region, kind, 'X').pub.some((s) => overlap(s, subject)))
    expect(writers('$KV.uses.p1.s0.1')).toEqual(['token-issuer'])
    expect(writers('$KV.intents.A.i1')).toEqual(['intent-gateway'])
    expect(writers('$KV.subject-keys.k')).toEqual(['intent-gateway'])
    expect(writers('$JS.API.DIRECT.GET.KV_subject-keys.x')).toEqual(['intent-gateway'])
    expect(writers(at.sealed)).toEqual(['audit-sink'])
    expect(writers(at.control(ANY))).toEqual(['operator'])
    expect(writers(at.plan(ANY))).toEqual(['intent-gateway'])
    expect(writers(at.registry('agent', ANY))).toEqual(['intent-gateway'])
  })
})

test('the diagram names every stream and every kind of identity, and says nothing twice', () => {
  const text = diagram(region)
  for (const name of [...STREAMS, ...KINDS]) expect(text).toContain(name)
  const lines = text.split('\n').filter((line) => line.includes('|'))
  expect(new Set(lines).size).toBe(lines.length)
  expect(text).not.toContain(region)
  expect(lines).toContain('  agent -->|intent| INTENTS')
  expect(lines).toContain('  SIGNERS -.->|read| EDGE')
  expect(lines).toContain('  audit-sink -->|sealed| SVC')
})
