import { describe, expect, test } from 'vitest'
import { MESSAGES, type Message, PARTY_KINDS } from './index.ts'

const D = `${'A'.repeat(42)}A`
const base = { iss: 'x', aud: 'writ:r', iat: 1 }
const exp = { ...base, exp: 2 }
const jwk = { kty: 'EC', crv: 'P-256', x: D, y: D }
const jws = 'a.b.c'
const obligations = { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false }
const event = {
  event_id: '0190a5f0-0000-7000-8000-000000000000',
  timestamp: '2026-11-24T10:00:00.000Z',
  type: 'source.heartbeat',
  status: 'succeeded',
}
const record = { keys: [jwk], users: ['u'], actions: ['restart'], groups: ['g'] }

/** One valid set of claims for each message of CONTRACT section 4. */
const SAMPLES: Record<string, object> = {
  'writ-intent+jwt': { ...exp, jti: 'i', on_behalf_of: 'u', action: 'restart', targets: ['d'], purpose: 'p' },
  'writ-cancel+jwt': { ...exp, jti: 'i', intent_digest: D },
  'writ-status+jwt': {
    ...base,
    intent_id: 'rejected-AAAA',
    intent_digest: D,
    n: 1,
    state: 'denied',
    reasons: [{ code: 'revoked', message: 'm' }],
    steps: [],
  },
  'writ-approval-request+jwt': { ...exp, intent: jws, decision: jws, records: [jws] },
  'writ-approval+jwt': { ...exp, jti: 'i', intent_digest: D, decision_digest: D, verdict: 'approve' },
  'writ-decision+jwt': {
    ...exp,
    intent_digest: D,
    input_sha256: D,
    policy: { version: 1, bundle_sha256: D },
    outcome: 'allow',
    reasons: [],
    approvals: [],
    attestations: [],
    reports: [],
    records: [D],
    obligations,
  },
  'writ-token+jwt': {
    ...exp,
    nbf: 1,
    jti: 't',
    sub: 'a',
    scope: ['device:restart:d'],
    cnf: { jkt: D },
    intent_digest: D,
    decision_digest: D,
    plan_id: 'p',
    user: 'u',
    groups: ['g'],
    records: [D],
    rev: { stream: 's', seq: 1 },
    max_uses: 1,
  },
  'writ-plan+jwt': {
    ...exp,
    plan_id: 'p',
    gateway_id: 'g',
    steps: [{ step_id: 's0', device_id: 'd' }],
    token: jws,
    intent: jws,
    decision: jws,
    earlier: [],
    approvals: [],
    attestations: [],
    records: [jws],
  },
  'writ-redeem+jwt': { ...exp, jti: 'i', token_id: 't', token_digest: D, use_id: 'p/s0/1' },
  'writ-redeemed+jwt': { ...base, request: D, use: 1, of: 1, rev_head: { stream: 's', seq: 1 } },
  'writ-act+jwt': { ...exp, jti: 'i', plan_digest: D, step_id: 's0' },
  'writ-outcome+jwt': {
    ...base,
    plan_id: 'p',
    intent_digest: D,
    step_id: 's0',
    device_id: 'd',
    action: 'restart',
    state: 'succeeded',
    result: { deep: null },
  },
  'writ-report+jwt': { ...base, device_id: 'd', state: {}, observed_at: 1, address: '10.0.0.1' },
  'writ-attest+jwt': { ...exp, format: 'tpm2' },
  'writ-challenge+jwt': { ...exp, request: D, challenge: 'c' },
  'writ-attestation+jwt': {
    ...exp,
    request: D,
    sub: 'agent/a',
    cnf: { jkt: D },
    profile: 'p',
    evidence_sha256: D,
    policy_sha256: D,
    submods: { host: { 'ear.status': 'affirming' } },
  },
  'writ-command+jwt': { ...exp, jti: 'i', kind: 'agent', id: 'a', version: 1, reason: 'r', record },
  'writ-cosign+jwt': { ...exp, command_digest: D },
  'writ-result+jwt': { ...base, request: D, ok: true },
  'writ-control+jwt': { ...base, jti: 'i', prev: 0, command: 'genesis', stream: 's', reason: 'r' },
  'writ-applied+jwt': { ...base, rev: { stream: 's', seq: 1 }, running: [] },
  'writ-key+jwt': { ...exp, role: 'token-issuer', kid: D, jwk, instance: 'i', boot: 'b' },
  'writ-query+jwt': { ...exp, jti: 'i', what: 'intents', args: {} },
  'writ-answer+jwt': { ...base, request: D, items: [] },
  'writ-sealed+jwt': { ...base, checkpoint: 'c', heads: { 'audit-sink/i/b': 1 } },
  'writ-audit+jwt': { ...base, source: 'gateway/g/b', seq: 0, events: [event] },
}
const of = (typ: string) => MESSAGES.find((message) => message.typ === typ) as Message
const takes = (typ: string, claims: object) => of(typ).schema.safeParse(claims).success
const byParty = ({ signers }: Message) => signers.some((signer) => (PARTY_KINDS as readonly string[]).includes(signer))

describe('the wire contract', () => {
  test('names each type once, and this test has a sample of each', () => {
    expect(MESSAGES.map(({ typ }) => typ).toSorted()).toEqual(Object.keys(SAMPLES).toSorted())
  })

  test.each(Object.entries(SAMPLES))('%s: takes its sample, and misses every required claim', (typ, sample) => {
    expect(of(typ).schema.safeParse(sample).error).toBeUndefined()
    const optional = new Set(['result'])
    for (const name of Object.keys(sample)) {
      if (optional.has(name)) continue
      expect([name, takes(typ, { ...sample, [name]: undefined })]).toEqual([name, false])
      expect([name, takes(typ, { ...sample, [name]: Symbol('wrong type') })]).toEqual([name, false])
    }
  })

  test.each(Object.entries(SAMPLES))(
    '%s: an unknown claim is refused in what parties sign, ignored in what services sign',
    (typ, sample) => {
      expect(takes(typ, { ...sample, unknown: 1 })).toBe(!byParty(of(typ)))
    },
  )

  test('unknown members are refused in obligations, bind and cnf, whoever signs', () => {
    const decision = SAMPLES['writ-decision+jwt'] as object
    expect(takes('writ-decision+jwt', { ...decision, obligations: { ...obligations, more: 1 } })).toBe(false)
    expect(takes('writ-decision+jwt', { ...decision, obligations: { ...obligations, bind: { more: 1 } } })).toBe(false)
    expect(takes('writ-token+jwt', { ...SAMPLES['writ-token+jwt'], cnf: { jkt: D, more: 1 } })).toBe(false)
    expect(takes('writ-token+jwt', { ...SAMPLES['writ-token+jwt'], bind: { more: [] } })).toBe(false)
  })

  test.each([
    ['times', 'writ-intent+jwt', { iat: 1.5 }, { iat: -1 }, { iat: 2 ** 53 }, { exp: '2' }],
    [
      'ids',
      'writ-intent+jwt',
      { jti: '' },
      { jti: '-a' },
      { jti: 'a\n' },
      { jti: 'a.b' },
      { jti: 'rejected-a' },
      { jti: 'a'.repeat(65) },
    ],
    [
      'targets',
      'writ-intent+jwt',
      { targets: [] },
      { targets: ['d', 'd'] },
      { targets: Array.from({ length: 101 }, (_, n) => `d${n}`) },
    ],
    ['actions', 'writ-intent+jwt', { action: 'Restart' }, { action: '1a' }, { action: 'a_b' }],
    [
      'text',
      'writ-intent+jwt',
      { purpose: '' },
      { purpose: 'a\tb' },
      { purpose: 'a\u0085b' },
      { purpose: 'a'.repeat(1001) },
    ],
    ['users', 'writ-intent+jwt', { on_behalf_of: '' }, { on_behalf_of: 'u'.repeat(255) }],
    ['params', 'writ-intent+jwt', { params: [] }, { params: null }, { params: { a: 'x'.repeat(8 * 1024) } }],
    [
      'digests',
      'writ-cancel+jwt',
      { intent_digest: 'A'.repeat(42) },
      { intent_digest: `${'A'.repeat(42)}B` },
      { intent_digest: `${'A'.repeat(42)}=` },
    ],
    ['uses', 'writ-redeem+jwt', { use_id: 'p/s0/0' }, { use_id: 'p/s0/01' }, { use_id: 'p/s0' }, { use_id: '/s0/1' }],
    ['scope', 'writ-token+jwt', { scope: ['device:*:d'] }, { scope: ['device:restart:*'] }, { scope: [] }],
    [
      'keys',
      'writ-command+jwt',
      { record: { ...record, keys: [] } },
      { record: { ...record, keys: [{ ...jwk, d: D }] } },
      { record: { ...record, keys: [{ ...jwk, crv: 'P-384' }] } },
      { record: { ...record, keys: [jwk, jwk] } },
    ],
    ['records of another kind', 'writ-command+jwt', { kind: 'policy' }, { kind: 'key' }, { kind: 'gateway' }],
  ])('bounds of %s hold', (_, typ, ...changes) => {
    for (const change of changes)
      expect([change, takes(typ, { ...SAMPLES[typ], ...(change as object) })]).toEqual([change, false])
  })

  test('text is counted in code points, and a user may be any text', () => {
    expect(takes('writ-intent+jwt', { ...SAMPLES['writ-intent+jwt'], purpose: '😀'.repeat(1000) })).toBe(true)
    expect(takes('writ-intent+jwt', { ...SAMPLES['writ-intent+jwt'], on_behalf_of: '😀'.repeat(254) })).toBe(true)
    expect(takes('writ-intent+jwt', { ...SAMPLES['writ-intent+jwt'], purpose: 'two\nlines' })).toBe(true)
  })

  test('a record may be null, which removes it', () => {
    expect(takes('writ-command+jwt', { ...SAMPLES['writ-command+jwt'], record: null })).toBe(true)
  })
})
