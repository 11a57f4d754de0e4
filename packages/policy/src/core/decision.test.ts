import { describe, expect, it } from 'vitest'
import { OBLIGATION_DEFAULTS, readDecision, reasonKey } from './decision.ts'

const no = { code: 'policy_denied', message: 'No.' } as const
const known = new Set([reasonKey(no)])
const read = (result: unknown) => readDecision([{ result }], known)
const unreadable = {
  outcome: 'deny',
  reasons: [{ code: 'policy_denied', message: 'Policy gave a decision that cannot be read.' }],
  obligations: OBLIGATION_DEFAULTS,
}
const approvals = { count: 1, roles: ['a'], expires_s: 60 }

describe('a decision of policy', () => {
  it('is completed with the defaults of the contract', () => {
    expect(read({ outcome: 'allow', reasons: [], obligations: { ttl_s: 60, redact: ['/a'] } })).toEqual({
      outcome: 'allow',
      reasons: [],
      obligations: { ttl_s: 60, max_uses: 1, max_run_s: 900, stop_on_failure: false, redact: ['/a'] },
    })
  })

  it('is a denial when it is undefined', () => {
    expect(readDecision([], known)).toMatchObject({ outcome: 'deny', reasons: [{ code: 'policy_denied' }] })
  })

  it.each([
    ['no array', { result: {} }],
    ['two results', [{ result: {} }, { result: {} }]],
    ['an empty result', [{}]],
    ['a null', [{ result: null }]],
  ])('is a denial when the results are %s', (_, results) => {
    expect(readDecision(results, known)).toEqual(unreadable)
  })

  it.each<[string, unknown]>([
    ['a yes that is no object', true],
    ['empty', {}],
    ['without obligations', { outcome: 'allow', reasons: [] }],
    ['an unknown outcome', { outcome: 'maybe', reasons: [], obligations: {} }],
    ['an unknown member', { outcome: 'allow', reasons: [], obligations: {}, sudo: true }],
    ['an unknown obligation', { outcome: 'allow', reasons: [], obligations: { forever: true } }],
    ['an unknown binding', { outcome: 'allow', reasons: [], obligations: { bind: { moon: 'full' } } }],
    ['a token of more than an hour', { outcome: 'allow', reasons: [], obligations: { ttl_s: 3601 } }],
    ['a token of no time', { outcome: 'allow', reasons: [], obligations: { ttl_s: 0 } }],
    ['a fraction of a use', { outcome: 'allow', reasons: [], obligations: { max_uses: 1.5 } }],
    [
      'approvals of more than a day',
      { outcome: 'needs_approval', reasons: [], obligations: { approvals: { ...approvals, expires_s: 86401 } } },
    ],
    ['approvals by nobody', { outcome: 'needs_approval', reasons: [], obligations: { approvals: { count: 1 } } }],
    ['a wait for no approval', { outcome: 'needs_approval', reasons: [], obligations: {} }],
    ['a wait for no attestation', { outcome: 'needs_attestation', reasons: [], obligations: { approvals } }],
    ['a denial without a reason', { outcome: 'deny', reasons: [], obligations: {} }],
    ['a redaction that is no pointer', { outcome: 'allow', reasons: [], obligations: { redact: ['name'] } }],
    ['reasons that are no list', { outcome: 'deny', reasons: { 0: no }, obligations: {} }],
    ['a reason of an unknown code', { outcome: 'deny', reasons: [{ code: 'hm', message: 'No.' }], obligations: {} }],
    [
      'a reason with a text that the bundle does not list',
      { outcome: 'deny', reasons: [{ code: 'policy_denied', message: 'alice asked for it' }], obligations: {} },
    ],
  ])('is a denial when it is malformed: %s', (_, result) => {
    expect(read(result)).toEqual(unreadable)
  })

  it('keeps a reason that the bundle lists', () => {
    expect(read({ outcome: 'deny', reasons: [no], obligations: {} })).toMatchObject({ outcome: 'deny', reasons: [no] })
  })
})
