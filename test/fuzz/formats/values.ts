import { decideRpc, Fault, issueRpc, RPCS, type Rpc } from '@writ/contracts'
import fc from 'fast-check'
import { Claims } from '../../../services/intent-gateway/src/adapters/claims.ts'
import { DecisionFiles, type NumberedFile } from '../../../services/intent-gateway/src/adapters/decision-files.ts'
import { toChunks } from '../../../services/intent-gateway/src/core/chunks.ts'
import {
  formatRecord,
  type IntentRecord,
  parseRecord,
} from '../../../services/intent-gateway/src/core/intent-record.ts'
import {
  type Claimed,
  type Closed,
  formatValue,
  type Minted,
  parseTokenValue,
  parseUseId,
  parseUseValue,
  type Use,
} from '../../../services/token-issuer/src/core/uses.ts'
import { bytes, type Format, format, jsonBytes, orRefused, REFUSED, textOf } from '../format.ts'
import { anyJson, jsonText } from './json.ts'

const D = `${'A'.repeat(42)}A`
const reason = { code: 'revoked' as const, message: 'An operator has revoked it.' }

/** A bucket of which only one value is looked at: whatever a broken or hostile store would give back. */
const bucketOf = (value: Uint8Array): never =>
  ({
    create: async () => 'exists',
    get: async (key: string) => (/\.\d+$/.test(key) && key.split('.').length > 4 ? undefined : { value, revision: 1 }),
  }) as never

function around(sample: object): fc.Arbitrary<Uint8Array> {
  const members = Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [
      name,
      fc.oneof({ weight: 3, arbitrary: fc.constant<unknown>(value) }, anyJson),
    ]),
  )
  return fc.oneof(fc.record(members, { requiredKeys: [] }).map(jsonBytes), jsonText)
}

const MINTED: Minted = { token: 'a.b.c', steps: ['s0', 's1'], users: ['u'], keys: [D] }

/** Bucket `uses`: tokens. */
export const tokenValue = (): Format =>
  format<Minted | Closed>({
    name: 'value-token',
    samples: [bytes(formatValue(MINTED)), bytes(formatValue({ closed: 'revoked' }))],
    garbage: around(MINTED),
    read: parseTokenValue,
    write: (value) => bytes(formatValue(value)),
  })

/** Bucket `uses`: uses. */
export const useValue = (): Format =>
  format<Claimed | Closed>({
    name: 'value-use',
    samples: [bytes(formatValue({ redeem: D })), bytes(formatValue({ closed: 'cancelled' }))],
    garbage: around({ redeem: D, closed: 'expired' }),
    read: parseUseValue,
    write: (value) => bytes(formatValue(value)),
  })

export const useId = (): Format =>
  format<Use>({
    name: 'use-id',
    samples: ['p/s0/1', 'plan-1_X/step/99'].map(bytes),
    garbage: fc
      .array(fc.oneof(fc.string({ maxLength: 5 }), fc.nat(200).map(String)), { maxLength: 4 })
      .map((parts) => bytes(parts.join('/'))),
    oneForm: true,
    read: (input) => parseUseId(textOf(input)),
    write: ({ planId, stepId, n }) => bytes(`${planId}/${stepId}/${n}`),
  })

const LIVE = {
  v: 1,
  digest: D,
  agent_id: 'a1',
  intent_id: 'i1',
  user: 'u1',
  action: 'restart',
  kid: D,
  exp: 10,
  accepted_at: 1,
  decide_until: 20,
  state: 'executing',
  n: 3,
  reasons: [reason],
  steps: [
    {
      step_id: 's0',
      device_id: 'd1',
      gateway_id: 'g1',
      group: 'hall',
      state: 'refused',
      reason,
      outcome_digest: D,
      ended: true,
      spent: [1],
    },
  ],
  approval: { needed: 2, given: 1, roles: ['manager'], expires: 9 },
  attestation: { profile: 'tpm', max_age_s: 60, expires: 9 },
  plans: [
    {
      plan_id: 'p',
      plan_digest: D,
      gateway_id: 'g1',
      token_id: 't',
      exp: 9,
      out: true,
      sent: { at: 1, times: 2 },
      stopped: true,
      closed: true,
    },
  ],
  decisions: { count: 2, first: { n: 1, digest: D }, shown: { n: 2, digest: D } },
  approvals: [{ approver_id: 'p1', user: 'boss', digest: D, decision_digest: D }],
  attested: false,
  max_uses: 1,
  closing: { why: 'revoked', gateways: ['g1'], reason },
  trace: { traceparent: '00-x', tracestate: 'a=b' },
} as const
const DONE = {
  v: 1,
  done: true,
  digest: D,
  agent_id: 'a1',
  intent_id: 'i1',
  accepted_at: 1,
  state: 'succeeded',
  n: 4,
  reasons: [],
  steps: [{ step_id: 's0', device_id: 'd1', gateway_id: 'g1', state: 'succeeded' }],
  plans: [{ plan_id: 'p', plan_digest: D, gateway_id: 'g1' }],
} as const

/** Bucket `intents`: the state of an intent. */
export const intentRecord = (): Format =>
  format<IntentRecord>({
    name: 'value-intent',
    samples: [LIVE, DONE].map(jsonBytes),
    garbage: around(LIVE),
    read: parseRecord,
    write: (value) => bytes(formatRecord(value)),
  })

/** Bucket `intents`: who owns the `jti` of a command. */
export const claim = (): Format =>
  format({
    name: 'value-claim',
    samples: [
      { digest: D, answer: { ok: true, version: 2 } },
      { digest: D, answer: { ok: false, ...reason } },
    ].map(jsonBytes),
    garbage: around({ digest: D, answer: { ok: true, version: 2 } }),
    read: async (input) => {
      const taken = await new Claims(bucketOf(input)).take('command', 'root', 'j', D)
      return taken === 'another' || taken.answer === undefined ? REFUSED : { digest: D, answer: taken.answer }
    },
    write: jsonBytes,
  })

const FILE = { decision: 'a.b.c', reports: ['d.e.f'], approvals: [], attestations: ['g.h.i'] }

/** Bucket `intents`: decisions with what they were made from. */
export const decisionFile = (): Format =>
  format<NumberedFile>({
    name: 'value-decision',
    samples: [FILE, { ...FILE, reports: [] }].map((file) => bytes(`${D}\n${toChunks(JSON.stringify(file))[0]}`)),
    garbage: fc
      .tuple(
        fc.constantFrom('', D, 'x'),
        fc.constantFrom('1', '2', '0', '-1', '1e9', '', '9007199254740993'),
        around(FILE),
      )
      .map(([digest, count, json]) => bytes(`${digest}\n${count}\n${textOf(json)}`)),
    read: async (input) => orRefused(await new DecisionFiles(bucketOf(input)).read('a1.i1', 1)),
    write: ({ n: _, digest, ...file }) => (/^[A-Za-z0-9_-]{43}$/.test(digest) ? inOnePiece(digest, file) : undefined),
    check: ({ decision, reports }) =>
      [decision, ...reports].every((text) => typeof text === 'string') ? undefined : 'A text that is none.',
  })

/** Undefined: it would lie under several keys. */
function inOnePiece(digest: string, file: object): Uint8Array | undefined {
  const [first, ...rest] = toChunks(JSON.stringify(file))
  return rest.length === 0 ? bytes(`${digest}\n${first}`) : undefined
}

const REQUESTS: readonly (readonly [Rpc, object])[] = [
  [decideRpc, { intent: 'a.b.c', first: D, shown: D, approvals: ['a.b.c'], attestations: [] }],
  [
    issueRpc,
    { gateway_id: 'g1', intent: 'a.b.c', decision: 'a.b.c', earlier: [], approvals: [], attestations: [], reports: [] },
  ],
]

/** What services ask of one another, by the schemas that both ends check. */
export const rpc = (): Format =>
  format<{ readonly subject: string; readonly value: object }>({
    name: 'rpc',
    samples: [
      ...REQUESTS.map(([, request]) => request),
      { ok: false, code: 'revoked', message: 'm', again: true },
      { ok: true, token: 'a.b.c' },
      { ok: true, plans: [{ plan_id: 'p', gateway_id: 'g1', steps: [{ step_id: 's0', redeemed: 1 }] }] },
      { agent_id: 'a1', limit: 10, after: 'x' },
    ].map(jsonBytes),
    garbage: around(REQUESTS[1]?.[1] ?? {}),
    read: (input) => {
      const value = jsonOf(input)
      for (const { subject, request, reply } of RPCS) {
        for (const schema of [request, reply]) {
          const parsed = schema.safeParse(value)
          if (parsed.success) return { subject, value: parsed.data as object }
        }
      }
      return REFUSED
    },
    meaning: ({ value }) => value,
    write: ({ value }) => jsonBytes(value),
  })

function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(input))
  } catch (cause) {
    throw new Fault('malformed', { message: 'Not JSON.', cause })
  }
}
