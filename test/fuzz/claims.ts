import { EVENT_TYPES } from '@writ/contracts'

const D = `${'A'.repeat(42)}A`
const E = `${'B'.repeat(42)}E`
const base = { iss: 'x', aud: 'writ:r', iat: 1_790_000_000 }
const exp = { ...base, exp: 1_790_000_060 }
const jwk = { kty: 'EC', crv: 'P-256', x: D, y: E }
const okp = { kty: 'OKP', crv: 'Ed25519', x: D }
const jws = 'a.b.c'
const reason = { code: 'revoked', message: 'An operator\nhas revoked it.' }
const obligations = { ttl_s: 300, max_uses: 1, max_run_s: 900, stop_on_failure: false }
const allObligations = {
  ...obligations,
  approvals: { count: 2, roles: ['manager'], expires_s: 600 },
  attestation: { profile: 'tpm', max_age_s: 60, expires_s: 60 },
  bind: { network: ['10.0.0.0/8', '::1'], device_state: { mode: 'idle', n: null } },
  redact: ['/a/b~0', '/c'],
}
const command = { ...exp, jti: 'i', id: 'a', version: 1, reason: 'r' }
const control = { ...base, jti: 'i', prev: 0, reason: 'r' }
const revoke = { ...control, command: 'revoke' }
const event = {
  event_id: '0190a5f0-0000-7000-8000-000000000000',
  timestamp: '2026-11-24T10:00:00.000Z',
  type: 'source.heartbeat',
  status: 'succeeded',
}
const fullEvent = {
  ...event,
  type: EVENT_TYPES[5],
  agent_id: 'a1',
  user: `p:${'A'.repeat(22)}`,
  intent: 'restart',
  intent_id: 'rejected-AAAA',
  intent_digest: D,
  device_id: 'd1',
  gateway_id: 'g1',
  approved_by: ['policy', `p:${'B'.repeat(22)}`],
  token_id: 't',
  plan_id: 'p',
  attestation: { profile: 'x' },
  policy: { version: 1 },
  reasons: ['revoked'],
  detail: { seq: 1 },
  documents: [
    { typ: 'writ-intent+jwt', digest: D, jwe: 'a.b.c.d.e' },
    { typ: 'writ-decision+jwt', digest: E, jws },
  ],
}

/** Valid claims of each message of CONTRACT section 4: the least, and with everything that may be there. */
export const CLAIMS: Readonly<Record<string, readonly object[]>> = {
  'writ-intent+jwt': [
    { ...exp, jti: 'i', on_behalf_of: 'u', action: 'restart', targets: ['d'], purpose: 'p' },
    {
      ...exp,
      jti: 'i-1_X',
      on_behalf_of: 'üser😀',
      action: 'firmware-update',
      targets: ['d1', 'd2', 'd3'],
      params: { level: 1.5, list: [null, { a: '\u2028' }] },
      purpose: 'two\nlines 😀',
      delivery: 'agent',
    },
  ],
  'writ-cancel+jwt': [{ ...exp, jti: 'i', intent_digest: D }],
  'writ-status+jwt': [
    { ...base, intent_id: 'rejected-AAAA', intent_digest: D, n: 1, state: 'denied', reasons: [reason], steps: [] },
    {
      ...base,
      intent_id: 'i',
      intent_digest: D,
      n: 7,
      state: 'executing',
      reasons: [],
      steps: [{ step_id: 's0', device_id: 'd', gateway_id: 'g', state: 'refused', reason, outcome_digest: E }],
      approval: { needed: 2, given: 1, roles: ['manager'], expires: 2 },
      attestation: { profile: 'tpm', max_age_s: 60, expires: 2 },
      plans: [{ plan_id: 'p', plan_digest: D, gateway_id: 'g' }],
    },
  ],
  'writ-approval-request+jwt': [{ ...exp, intent: jws, decision: jws, records: [jws, jws] }],
  'writ-approval+jwt': [
    { ...exp, jti: 'i', intent_digest: D, decision_digest: E, verdict: 'approve' },
    { ...exp, jti: 'i', intent_digest: D, decision_digest: E, verdict: 'reject', comment: 'No.' },
  ],
  'writ-decision+jwt': [
    {
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
    {
      ...exp,
      intent_digest: D,
      input_sha256: E,
      policy: { version: 2, bundle_sha256: E },
      outcome: 'needs_approval',
      reasons: [reason],
      first: D,
      shown: E,
      approvals: [D],
      attestations: [E],
      reports: [D],
      records: [D, E],
      obligations: allObligations,
    },
  ],
  'writ-token+jwt': [
    {
      ...exp,
      nbf: 1,
      jti: 't',
      sub: 'a',
      scope: ['device:restart:d', 'device:restart:e'],
      cnf: { jkt: D, act: { jkt: E } },
      intent_digest: D,
      decision_digest: E,
      plan_id: 'p',
      user: 'u',
      groups: ['g'],
      records: [D],
      rev: { stream: 's', seq: 1 },
      max_uses: 3,
      bind: allObligations.bind,
    },
  ],
  'writ-plan+jwt': [
    {
      ...exp,
      plan_id: 'p',
      gateway_id: 'g',
      steps: [
        { step_id: 's0', device_id: 'd' },
        { step_id: 's1', device_id: 'e' },
      ],
      token: jws,
      intent: jws,
      decision: jws,
      earlier: [jws],
      approvals: [jws],
      attestations: [jws],
      records: [`${jws}\n${jws}`],
    },
  ],
  'writ-redeem+jwt': [{ ...exp, jti: 'i', token_id: 't', token_digest: D, use_id: 'p/s0/1', act: jws }],
  'writ-redeemed+jwt': [{ ...base, request: D, use: 1, of: 2, rev_head: { stream: 's', seq: 1 } }],
  'writ-act+jwt': [{ ...exp, jti: 'i', plan_digest: D, step_id: 's0' }],
  'writ-outcome+jwt': [
    { ...base, plan_id: 'p', intent_digest: D, step_id: 's0', device_id: 'd', action: 'restart', state: 'started' },
    {
      ...base,
      plan_id: 'p',
      token_id: 't',
      intent_digest: D,
      step_id: 's0',
      use_id: 'p/s0/12',
      device_id: 'd',
      action: 'restart',
      state: 'failed',
      reason,
      result: { deep: null, list: [1, 2] },
      result_sha256: E,
      started_at: 1,
      finished_at: 2,
    },
  ],
  'writ-report+jwt': [
    { ...base, device_id: 'd', state: { mode: 'idle', n: [1] }, observed_at: 1, address: '10.0.0.1' },
  ],
  'writ-attest+jwt': [
    { ...exp, format: 'tpm2' },
    { ...exp, format: 'tpm2', challenge: 'c', evidence: { quote: 'q' } },
    { ...exp, format: 'tpm2', challenge: 'c', evidence: 'text' },
  ],
  'writ-challenge+jwt': [{ ...exp, request: D, challenge: 'c' }],
  'writ-attestation+jwt': [
    {
      ...exp,
      request: D,
      sub: 'agent/a',
      cnf: { jkt: D },
      profile: 'p',
      evidence_sha256: D,
      policy_sha256: E,
      submods: { host: { 'ear.status': 'affirming', 'ear.trustworthiness-vector': { hardware: 2 } } },
    },
  ],
  'writ-command+jwt': [
    {
      ...command,
      kind: 'agent',
      record: {
        keys: [jwk, okp],
        users: ['u'],
        actions: ['restart'],
        groups: ['g'],
        unfinished_max: 20,
        per_minute_max: 60,
      },
    },
    {
      ...command,
      kind: 'device',
      record: {
        gateway_id: 'g',
        group: 'hall',
        jurisdiction: 'r',
        actions: ['restart'],
        floors: {
          restart: { approvals: { count: 1, roles: ['m'] }, attestation: { profile: 'tpm', max_age_s: 60 } },
          'telemetry-read': {},
        },
      },
    },
    { ...command, kind: 'gateway', record: { keys: [okp], jurisdiction: 'r' } },
    { ...command, kind: 'approver', record: { keys: [jwk], user: 'u', roles: ['m'] } },
    { ...command, kind: 'operator', record: { keys: [jwk], user: 'u' } },
    { ...command, kind: 'policy', record: { bundle_sha256: D, revision: 'r1' } },
    { ...command, kind: 'policy', record: null },
  ],
  'writ-cosign+jwt': [{ ...exp, command_digest: D }],
  'writ-result+jwt': [
    { ...base, request: D, ok: true, version: 3 },
    { ...base, request: D, ok: false, code: 'revoked', message: 'm' },
  ],
  'writ-control+jwt': [
    { ...control, command: 'genesis', stream: 's', follows: { stream: 't', seq: 4 } },
    { ...control, command: 'lift', lifts: 2 },
    { ...revoke, scope: 'all', id: '', quarantine: true },
    { ...revoke, scope: 'agent', id: 'a1' },
    { ...revoke, scope: 'user', id: 'üser 1' },
    { ...revoke, scope: 'key', id: D },
    { ...revoke, scope: 'endorsements', id: 'token-issuer' },
  ],
  'writ-applied+jwt': [{ ...base, rev: { stream: 's', seq: 1 }, running: [{ plan_id: 'p', step_id: 's0' }] }],
  'writ-key+jwt': [{ ...exp, role: 'token-issuer', kid: D, jwk, instance: 'i', boot: 'b' }],
  'writ-query+jwt': [
    { ...exp, jti: 'i', what: 'intents', args: {} },
    { ...exp, jti: 'i', what: 'registry', args: { limit: 10, after: 'x', kind: 'agent', agent_id: 'a' } },
  ],
  'writ-answer+jwt': [{ ...base, request: D, items: [jws], next: 'x' }],
  'writ-sealed+jwt': [{ ...base, checkpoint: 'c', heads: { 'audit-sink/i/b': 1, 'gateway/g1/b': 0 } }],
  'writ-audit+jwt': [
    { ...base, source: 'gateway/g/b', seq: 0, events: [event] },
    { ...base, source: 'intent-gateway/i0/b0', seq: 1, prev: D, events: [event, fullEvent] },
  ],
}
