import type { Status } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { waitsFor } from './waits-for.ts'

const NOON = Date.UTC(2026, 10, 24, 12) / 1000
const step = (state: Status['steps'][number]['state'], gateway_id = 'gw-bakery', device_id = 'oven-1') => ({
  step_id: 's0',
  device_id,
  gateway_id,
  state,
})
const status = (state: Status['state'], more: Partial<Status> = {}): Status => ({
  iss: 'intent-gateway',
  aud: 'writ:eusc-de-east-1',
  iat: NOON,
  intent_id: 'i-1',
  intent_digest: 'd',
  n: 1,
  state,
  reasons: [],
  steps: [],
  ...more,
})
const said = (...given: Parameters<typeof waitsFor>) => waitsFor(...given).join('\n')

describe('on whom an intent waits, until when, and what to do', () => {
  test('a gateway that has not begun, by name, with its devices', () => {
    const steps = [step('waiting'), step('waiting', 'gw-bakery', 'oven-2'), step('started', 'gw-hall', 'press-07')]
    const text = said(status('executing', { steps }))
    expect(text).toContain('waits for gateway gw-bakery to begin: oven-1, oven-2')
    expect(text).toContain('gateway gw-hall is at it: press-07')
    expect(text).toContain('13:00:00 UTC at the latest')
    expect(text).toContain('`writ status`')
    expect(said(status('executing', { steps: [step('started')] }))).not.toContain('silent')
  })
  test('people, by their roles, and a host’s attestation', () => {
    const approval = { needed: 2, given: 1, roles: ['plant-manager', 'safety-officer'], expires: NOON + 60 }
    expect(said(status('needs_approval', { approval }))).toContain(
      'waits for 1 more approval (plant-manager or safety-officer), until 12:01:00 UTC at the latest',
    )
    const attestation = { profile: 'agent-host', max_age_s: 300, expires: NOON + 60 }
    expect(said(status('needs_attestation', { attestation }))).toContain(
      'waits for an attestation of the agent (agent-host, at most 300 s old), until 12:01:00 UTC at the latest',
    )
  })
  test('services, before and after people', () => {
    expect(said(undefined, NOON)).toContain('waits for intent-gateway, until 12:00:00 UTC at the latest')
    expect(said(status('accepted'), NOON + 1)).toContain('to decide, until 12:00:01 UTC at the latest')
    expect(said(status('accepted'))).not.toContain('until')
    expect(said(status('approved'), NOON + 1)).toContain('to decide, until 12:05:00 UTC at the latest')
  })
  test('of one that has ended, only what nobody did', () => {
    expect(waitsFor(status('succeeded', { steps: [step('succeeded')] }))).toEqual([])
    expect(waitsFor(status('denied'))).toEqual([])
    const expired = said(status('partial', { steps: [step('succeeded', 'gw-hall'), step('expired')] }))
    expect(expired).toContain('gateway gw-bakery did not begin in time, so nothing was done: oven-1')
    expect(expired).not.toContain('gw-hall')
    expect(said(status('unknown', { steps: [step('unknown')] }))).toContain('`writ intent status i-1`')
  })
})
