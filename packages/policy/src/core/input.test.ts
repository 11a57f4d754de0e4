import type { FiledRecord, RoutedDevice, SignedApproval, Verified } from '@writ/authority'
import type {
  Approval,
  Attestation,
  approvalMessage,
  attestationMessage,
  Intent,
  intentMessage,
  Report,
  reportMessage,
} from '@writ/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { buildInput, type InputSources, inputSha256 } from './input.ts'
import { countingReports } from './reports.ts'

const NOW = 1_767_614_400
const SHA = (letter: string) => `${letter.repeat(42)}A`

// buildInput trusts the types: these stand for messages that were verified before.
const signed = <T>(claims: unknown, digest: string, kid = SHA('k')) =>
  ({ claims, jws: { digest, kid } }) as unknown as T

const intentClaims: Intent = {
  iss: 'agent-1',
  aud: 'writ:eusc-de-east-1',
  iat: NOW - 1,
  exp: NOW + 300,
  jti: 'i-1',
  on_behalf_of: 'alice',
  action: 'restart',
  targets: ['press-07', 'press-08'],
  purpose: 'The operator asked for it by name: Erika Mustermann',
}

const device = (id: string, more: object = {}): RoutedDevice =>
  ({
    kind: 'device',
    id,
    version: 2,
    digest: SHA('d'),
    value: '',
    record: {
      gateway_id: 'gw-1',
      group: 'press-line',
      jurisdiction: 'eusc-de-east-1',
      actions: ['restart'],
      floors: { restart: { approvals: { count: 1, roles: ['shift-lead'] } } },
      ...more,
    },
  }) as unknown as RoutedDevice

const report = (device_id: string, more: Partial<Report> = {}, digest = SHA('r')) =>
  signed<Verified<typeof reportMessage>>(
    {
      iss: 'gw-1',
      aud: 'writ:eusc-de-east-1',
      iat: NOW - 5,
      device_id,
      state: { mode: 'running' },
      observed_at: NOW - 5,
      address: '10.20.0.7',
      ...more,
    },
    digest,
  )

const approval = (user: string, digest: string): SignedApproval => ({
  approval: signed<Verified<typeof approvalMessage>>(
    { verdict: 'approve', iat: NOW - 20, exp: NOW + 60, comment: 'Fine by me' } as Partial<Approval>,
    digest,
  ),
  approver: { id: `approver-${user}`, record: { user, roles: ['shift-lead'] } } as unknown as FiledRecord<'approver'>,
})

const attestation = (submods: Attestation['submods'], digest = SHA('t')) =>
  signed<Verified<typeof attestationMessage>>(
    { sub: 'agent/agent-1', profile: 'agent-host', cnf: { jkt: SHA('k') }, iat: NOW - 9, exp: NOW + 60, submods },
    digest,
  )

const sources = (more: Partial<InputSources> = {}): InputSources => ({
  nowSeconds: NOW,
  region: 'eusc-de-east-1',
  policy: { version: 4, record: { bundle_sha256: SHA('p'), revision: 'r' } } as unknown as FiledRecord<'policy'>,
  intent: signed<Verified<typeof intentMessage>>(intentClaims, SHA('i')),
  agent: {
    id: 'agent-1',
    version: 1,
    record: { keys: [], users: ['alice'], actions: ['restart'], groups: ['press-line'] },
  } as unknown as FiledRecord<'agent'>,
  devices: [device('press-07'), device('press-08', { floors: { other: {} } })],
  approvals: [],
  attestations: [],
  reports: [report('press-07')],
  ...more,
})

describe('the policy input', () => {
  it('holds what policy needs and no free text', () => {
    const input = buildInput(sources({ approvals: [approval('bob', SHA('b'))] }))
    expect(input).toEqual({
      now: NOW,
      region: 'eusc-de-east-1',
      policy: { version: 4, bundle_sha256: SHA('p') },
      intent: {
        id: 'i-1',
        digest: SHA('i'),
        kid: SHA('k'),
        iat: NOW - 1,
        exp: NOW + 300,
        action: 'restart',
        params: {},
        on_behalf_of: 'alice',
        delivery: 'gateway',
        targets: ['press-07', 'press-08'],
      },
      agent: { id: 'agent-1', version: 1, users: ['alice'], actions: ['restart'], groups: ['press-line'] },
      targets: [
        {
          id: 'press-07',
          version: 2,
          group: 'press-line',
          jurisdiction: 'eusc-de-east-1',
          actions: ['restart'],
          gateway_id: 'gw-1',
          floor: { approvals: { count: 1, roles: ['shift-lead'] } },
          report: { state: { mode: 'running' }, address: '10.20.0.7', observed_at: NOW - 5 },
        },
        {
          id: 'press-08',
          version: 2,
          group: 'press-line',
          jurisdiction: 'eusc-de-east-1',
          actions: ['restart'],
          gateway_id: 'gw-1',
        },
      ],
      approvals: [
        {
          digest: SHA('b'),
          approver: 'approver-bob',
          user: 'bob',
          roles: ['shift-lead'],
          verdict: 'approve',
          iat: NOW - 20,
          exp: NOW + 60,
        },
      ],
      attestations: [],
    })
    expect(JSON.stringify(input)).not.toMatch(/Mustermann|Fine by me/)
  })

  it('has the same digest in whatever order approvals, attestations and reports came', () => {
    const approvals = [approval('bob', SHA('c')), approval('carol', SHA('a')), approval('dave', SHA('b'))]
    const attestations = [attestation({}, SHA('y')), attestation({}, SHA('x'))]
    const reports = [report('press-07'), report('press-08'), report('press-07', { observed_at: NOW - 1 }, SHA('s'))]
    const digest = inputSha256(buildInput(sources({ approvals, attestations, reports })))
    fc.assert(
      fc.property(
        fc.shuffledSubarray(approvals, { minLength: 3 }),
        fc.shuffledSubarray(attestations, { minLength: 2 }),
        fc.shuffledSubarray(reports, { minLength: 3 }),
        (a, b, c) => {
          const again = buildInput(sources({ approvals: a, attestations: b, reports: c }))
          expect(inputSha256(again)).toBe(digest)
        },
      ),
    )
  })

  it('changes its digest with every second, and is the RFC 8785 form’s', () => {
    const input = buildInput(sources())
    expect(inputSha256(input)).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(inputSha256(input)).toBe(inputSha256(JSON.parse(JSON.stringify(input))))
    expect(inputSha256(buildInput(sources({ nowSeconds: NOW + 1 })))).not.toBe(inputSha256(input))
  })

  it('says that a result is affirming only if every part is, and that there is one', () => {
    const affirming = (submods: Attestation['submods']) =>
      buildInput(sources({ attestations: [attestation(submods)] })).attestations[0]?.affirming
    expect(affirming({ host: { 'ear.status': 'affirming' }, tpm: { 'ear.status': 'affirming' } })).toBe(true)
    expect(affirming({ host: { 'ear.status': 'affirming' }, tpm: { 'ear.status': 'warning' } })).toBe(false)
    expect(affirming({})).toBe(false)
  })

  it('refuses an agent or devices that are not the intent’s', () => {
    const other = { ...sources().agent, id: 'agent-2' }
    expect(() => buildInput(sources({ agent: other }))).toThrow(expect.objectContaining({ code: 'internal' }))
    const devices = [device('press-08'), device('press-07')]
    expect(() => buildInput(sources({ devices }))).toThrow(expect.objectContaining({ code: 'internal' }))
    expect(() => buildInput(sources({ devices: [device('press-07')] }))).toThrow()
  })
})

describe('a report counts', () => {
  const counted = (...reports: Verified<typeof reportMessage>[]) => countingReports(reports, [device('press-07')], NOW)

  it('up to 150 s after it was observed, and not a second longer', () => {
    expect(counted(report('press-07', { observed_at: NOW - 150 }))).toHaveLength(1)
    expect(counted(report('press-07', { observed_at: NOW - 151 }))).toEqual([])
  })

  it('up to 5 s ahead: a clock that runs away cannot keep a state alive', () => {
    expect(counted(report('press-07', { observed_at: NOW + 5 }))).toHaveLength(1)
    expect(counted(report('press-07', { observed_at: NOW + 6 }))).toEqual([])
  })

  it('only from the device’s own gateway', () => {
    expect(counted(report('press-07', { iss: 'gw-2' }))).toEqual([])
    expect(counted(report('press-08'))).toEqual([])
  })

  it('when it is the latest', () => {
    const older = report('press-07', { observed_at: NOW - 60 }, SHA('o'))
    const newer = report('press-07', { observed_at: NOW - 2 }, SHA('n'))
    const again = report('press-07', { observed_at: NOW - 2, iat: NOW - 1 }, SHA('m'))
    expect(counted(older, newer)).toEqual([newer])
    expect(counted(newer, older)).toEqual([newer])
    expect(counted(again, newer)).toEqual([again])
  })
})
