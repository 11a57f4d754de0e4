import { DECIDE_AFTER_WAIT_SECONDS, type Status, TOKEN_SECONDS_MAX } from '@writ/contracts'
import { clockText } from '../terminal/time-text.ts'

/**
 * For people: on whom an intent waits, until when at most, and what they can do about it. Nothing where nothing is left to do or say.
 *
 * @param status the latest; undefined: none came yet
 * @param expires NumericDate until which it may be decided at all, where that is known
 */
export function waitsFor(status: Status | undefined, expires?: number): readonly string[] {
  if (status === undefined)
    return [
      `  nobody has taken it in yet: waits for intent-gateway${untilText(expires)}`,
      '  `writ status` says which service does not answer',
    ]
  switch (status.state) {
    case 'accepted':
      return waitsForDecision(expires)
    case 'approved':
      return waitsForDecision(Math.max(expires ?? 0, status.iat + DECIDE_AFTER_WAIT_SECONDS))
    case 'needs_approval':
      return waitsForApproval(status)
    case 'needs_attestation':
      return waitsForAttestation(status)
    case 'executing':
      return waitsForGateways(status)
    case 'succeeded':
    case 'failed':
    case 'partial':
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'revoked':
    case 'unknown':
      return leftOpen(status)
  }
}

function waitsForDecision(expires: number | undefined): readonly string[] {
  return [
    `  waits for policy-evaluator and token-issuer to decide${untilText(expires)}`,
    '  `writ status` says which service does not answer',
  ]
}

function waitsForApproval({ approval }: Status): readonly string[] {
  if (approval === undefined) return []
  const { needed, given, roles, expires } = approval
  const missing = needed - given
  return [
    `  waits for ${missing} more ${missing === 1 ? 'approval' : 'approvals'} (${roles.join(' or ')})${untilText(expires)}`,
    '  `writ approver list` shows who has such a role',
  ]
}

function waitsForAttestation({ attestation }: Status): readonly string[] {
  if (attestation === undefined) return []
  const { profile, max_age_s, expires } = attestation
  return [
    `  waits for an attestation of the agent (${profile}, at most ${max_age_s} s old)${untilText(expires)}`,
    '  it goes on by itself when the agent’s host has attested itself',
  ]
}

/** A plan ends with its token at the latest, and then its intent has ended too. */
function waitsForGateways(status: Status): readonly string[] {
  const waiting = devicesBy(status, 'waiting')
  const started = devicesBy(status, 'started')
  if (waiting.length + started.length === 0) return []
  return [
    ...waiting.map(({ gateway, devices }) => `  waits for gateway ${gateway} to begin: ${devices}`),
    ...started.map(({ gateway, devices }) => `  gateway ${gateway} is at it: ${devices}`),
    `  its plan ends as policy says (5 minutes unless it says otherwise), at ${clockText(dateOf(status.iat + TOKEN_SECONDS_MAX))} at the latest`,
    ...(waiting.length === 0 ? [] : ['  `writ status` says which gateways are silent']),
  ]
}

/** What nobody did, of an intent that has ended. */
function leftOpen(status: Status): readonly string[] {
  const expired = devicesBy(status, 'expired')
  const unknown = devicesBy(status, 'unknown')
  return [
    ...expired.map(
      ({ gateway, devices }) => `  gateway ${gateway} did not begin in time, so nothing was done: ${devices}`,
    ),
    ...(expired.length === 0 ? [] : ['  `writ status` says which gateways are silent; ask again when they are back']),
    ...unknown.map(({ gateway, devices }) => `  gateway ${gateway} has not said how it ended, look there: ${devices}`),
    ...(unknown.length === 0
      ? []
      : [`  \`writ intent status ${status.intent_id}\` shows it when the gateway has said it`]),
  ]
}

function devicesBy({ steps }: Status, state: Status['steps'][number]['state']) {
  const found = new Map<string, string[]>()
  for (const step of steps)
    if (step.state === state) found.set(step.gateway_id, [...(found.get(step.gateway_id) ?? []), step.device_id])
  return [...found].map(([gateway, devices]) => ({ gateway, devices: devices.join(', ') }))
}

function untilText(expires: number | undefined): string {
  return expires === undefined ? '' : `, until ${clockText(dateOf(expires))} at the latest`
}

function dateOf(seconds: number): Date {
  return new Date(seconds * 1000)
}
