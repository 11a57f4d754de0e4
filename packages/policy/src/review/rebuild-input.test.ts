import {
  type ApproverRecord,
  approvalMessage,
  commandMessage,
  type Decision,
  intentMessage,
  type RecordKind,
  reportMessage,
} from '@writ/contracts'
import { digestOf, ephemeralSigner, signMessage } from '@writ/keys'
import { beforeAll, describe, expect, it } from 'vitest'
import { inputSha256, type PolicyInput } from '../core/input.ts'
import { type DocumentOf, rebuildInput } from './rebuild-input.ts'

const NOW = 1_767_614_400
const REGION = 'eusc-de-east-1'
const aud = `writ:${REGION}`
const BUNDLE = `${'p'.repeat(42)}A`
const signer = ephemeralSigner()
const envelope = (iss: string, jti: string) => ({ iss, aud, iat: NOW - 10, exp: NOW + 100, jti })

const command = (kind: RecordKind, id: string, record: object | null) =>
  signMessage(signer, commandMessage, {
    ...envelope('root', `c-${id}`),
    kind,
    id,
    version: 2,
    reason: 'A test.',
    record,
  } as never)
const keys = [signer.jwk]

let texts: Record<'intent' | 'agent' | 'device' | 'approver' | 'policy' | 'approval' | 'report', string>
let decision: Decision
let input: PolicyInput

beforeAll(async () => {
  const approver: ApproverRecord = { keys, user: 'bob', roles: ['shift-lead'] }
  const target = { gateway_id: 'gw-1', group: 'press-line', jurisdiction: REGION, actions: ['restart'] }
  const ceiling = { users: ['alice'], actions: ['restart'], groups: ['press-line'] }
  const asked = { on_behalf_of: 'alice', action: 'restart', targets: ['press-07'] }
  const state = { mode: 'idle' }
  const seen = { observed_at: NOW - 5, address: '10.20.0.7' }
  const intent = await signMessage(signer, intentMessage, {
    ...envelope('agent-1', 'i-1'),
    ...asked,
    purpose: 'Please.',
  })
  const given = { intent_digest: digestOf(intent), decision_digest: digestOf('a.b.c'), verdict: 'approve' as const }
  texts = {
    intent,
    agent: await command('agent', 'agent-1', { keys, ...ceiling }),
    device: await command('device', 'press-07', target),
    approver: await command('approver', 'bo', approver),
    policy: await command('policy', 'active', { bundle_sha256: BUNDLE, revision: 'r' }),
    approval: await signMessage(signer, approvalMessage, { ...envelope('bo', 'a-1'), ...given }),
    report: await signMessage(signer, reportMessage, {
      iss: 'gw-1',
      aud,
      iat: NOW - 5,
      device_id: 'press-07',
      state,
      ...seen,
    }),
  }
  const digest = digestOf(texts.approval)
  input = {
    now: NOW,
    region: REGION,
    policy: { version: 2, bundle_sha256: BUNDLE },
    intent: {
      id: 'i-1',
      digest: digestOf(intent),
      kid: signer.kid,
      iat: NOW - 10,
      exp: NOW + 100,
      ...asked,
      params: {},
      delivery: 'gateway',
    },
    agent: { id: 'agent-1', version: 2, ...ceiling },
    targets: [{ id: 'press-07', version: 2, ...target, report: { state, ...seen } }],
    approvals: [
      { digest, approver: 'bo', user: 'bob', roles: ['shift-lead'], verdict: 'approve', iat: NOW - 10, exp: NOW + 100 },
    ],
    attestations: [],
  }
  decision = {
    iat: NOW,
    intent_digest: digestOf(intent),
    input_sha256: inputSha256(input),
    records: [texts.agent, texts.device, texts.approver, texts.policy].map(digestOf),
    approvals: [digest],
    attestations: [],
    reports: [digestOf(texts.report)],
  } as unknown as Decision
})

/** The documents, perhaps with others in the place of some. */
const documents = (others: Partial<typeof texts> = {}): DocumentOf => {
  const known = new Map(
    Object.entries(texts).map(([name, text]) => [digestOf(text), others[name as keyof typeof texts] ?? text]),
  )
  return (digest) => known.get(digest)
}

describe('the input of a recorded decision', () => {
  it('is made again, exactly, from the messages and records that it names', () => {
    expect(rebuildInput(decision, documents(), REGION)).toMatchObject({ state: 'rebuilt', input })
  })

  it('is not guessed where a document is missing: it is said which', () => {
    for (const text of Object.values(texts)) {
      const digest = digestOf(text)
      const all = documents()
      const without: DocumentOf = (name) => (name === digest ? undefined : all(name))
      expect(rebuildInput(decision, without, REGION)).toEqual({ state: 'missing', digests: [digest] })
    }
  })

  it('is not taken for what was decided on when anything in it is another', async () => {
    const other = await command('agent', 'agent-1', {
      keys,
      users: ['alice', 'mallory'],
      actions: ['restart'],
      groups: ['press-line'],
    })
    const removed = await command('agent', 'agent-1', null)
    for (const agent of [other, removed, texts.device, 'rubbish'])
      expect(rebuildInput(decision, documents({ agent }), REGION)).toEqual({ state: 'other input' })
    for (const changed of [{ iat: NOW + 1 }, { input_sha256: BUNDLE }, { approvals: [] }, { reports: [] }])
      expect(rebuildInput({ ...decision, ...changed }, documents(), REGION)).toEqual({ state: 'other input' })
    expect(rebuildInput(decision, documents(), 'us-east-1')).toEqual({ state: 'other input' })
  })
})
