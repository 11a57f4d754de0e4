import type { ReasonCode } from '@writ/contracts'
import type { Check } from './hostile-checks.ts'
import { type Claims, freshId, nowSeconds, type OutsiderKey, signed } from './outsider-jws.ts'

/** Who attacks: an agent with real credentials and a registered key. */
export interface Attacker {
  readonly agentId: string
  readonly aud: string
  readonly key: OutsiderKey
  /** A user and a device that its record permits. */
  readonly user: string
  readonly device: string
  /** What its texts say; it is looked for where no text of its own may be. */
  readonly mark?: string
}

/** `own`: status under its own id. `rejected`: under `rejected-<16 of the digest>`. `counted`: no status at all. */
export type Fate = 'own' | 'rejected' | 'counted'

export interface HostileIntent {
  readonly name: string
  readonly check: Check
  readonly code: ReasonCode
  readonly fate: Fate
  readonly body: (by: Attacker) => Promise<string>
}

/** A good intent, but for the changes; `undefined` takes a claim away. */
export function intentClaims(by: Attacker, changes: Claims = {}): Claims {
  const iat = nowSeconds()
  return {
    iss: by.agentId,
    aud: by.aud,
    iat,
    exp: iat + 120,
    jti: freshId(),
    on_behalf_of: by.user,
    action: 'telemetry-read',
    targets: [by.device],
    purpose: `An outsider asks. ${by.mark ?? ''}`,
    ...changes,
  }
}

/** What only an intent has: spoiled claims behind a good signature. */
const row =
  (fate: Fate) =>
  (check: Check, code: ReasonCode, name: string, changes: Claims | ((by: Attacker) => Claims)): HostileIntent => ({
    name,
    check,
    code,
    fate,
    body: (by) =>
      signed(by.key, 'writ-intent+jwt', intentClaims(by, typeof changes === 'function' ? changes(by) : changes)),
  })
const rejected = row('rejected')
const own = row('own')

const REJECTED: readonly HostileIntent[] = [
  rejected('claims', 'malformed', 'no targets', { targets: [] }),
  rejected('claims', 'malformed', '101 targets', { targets: Array.from({ length: 101 }, (_, n) => `d${n}`) }),
  rejected('claims', 'malformed', 'a target twice', ({ device }) => ({ targets: [device, device] })),
  rejected('claims', 'malformed', 'a line feed behind a target', ({ device }) => ({ targets: [`${device}\n`] })),
  rejected('claims', 'malformed', 'a target that is a list', ({ device }) => ({ targets: [[device]] })),
  rejected('claims', 'malformed', 'an action with a wildcard', { action: '*' }),
  rejected('claims', 'malformed', 'an action with a line feed behind it', { action: 'telemetry-read\n' }),
  rejected('claims', 'malformed', 'parameters over 8 KiB', { params: { text: 'x'.repeat(8200) } }),
  rejected('claims', 'malformed', 'parameters that are a list', { params: [] }),
  rejected('claims', 'malformed', 'delivery by somebody else', { delivery: 'pigeon' }),
  rejected('claims', 'malformed', 'an escape sequence for a terminal', { purpose: 'look \u001b[2J' }),
  rejected('claims', 'malformed', 'no purpose', { purpose: '' }),
  rejected('claims', 'malformed', 'a purpose of 1,001 code points', { purpose: '🔧'.repeat(1001) }),
  rejected('claims', 'malformed', 'a user of 255 code points', { on_behalf_of: 'u'.repeat(255) }),
  rejected('limits', 'unavailable', 'delivery by the agent', { delivery: 'agent' }),
]

/** Its own intent, so it has its status under its own id. */
const OWN: readonly HostileIntent[] = [
  own('user, devices, ceilings', 'wrong_user', 'a user who is not its own', { on_behalf_of: 'u-anna' }),
  own('user, devices, ceilings', 'wrong_user', 'its user in capitals', ({ user }) => ({
    on_behalf_of: user.toUpperCase(),
  })),
  own('user, devices, ceilings', 'wrong_user', 'its user in another normal form', {
    on_behalf_of: 'u-ho\u0073\u0301t',
  }),
  own('user, devices, ceilings', 'unknown_device', 'an unknown device', ({ mark = 'x' }) => ({
    targets: [`no-${mark}`],
  })),
  own('user, devices, ceilings', 'unknown_device', 'devices named as what every object has', {
    targets: ['constructor', 'toString', 'hasOwnProperty'],
  }),
  own('user, devices, ceilings', 'unknown_device', 'an unknown device beside its own', ({ device }) => ({
    targets: [device, 'no-such-device'],
  })),
  own('user, devices, ceilings', 'device_without_gateway', 'a device without a gateway', { targets: ['host-lone'] }),
  own('user, devices, ceilings', 'scope_exceeded', 'a device of another group', { targets: ['host-hall'] }),
  own('user, devices, ceilings', 'scope_exceeded', 'a device of another group beside its own', ({ device }) => ({
    targets: [device, 'host-hall'],
  })),
  own('user, devices, ceilings', 'scope_exceeded', 'an action beyond the agent’s ceiling', {
    action: 'firmware-update',
  }),
  own('user, devices, ceilings', 'scope_exceeded', 'an action beyond the device’s ceiling', {
    action: 'config-change',
    targets: ['host-blind'],
  }),
  own('user, devices, ceilings', 'scope_exceeded', 'an action named as what every object has', {
    action: 'constructor',
  }),
  own('policy', 'policy_denied', 'a device whose state nobody knows', { action: 'restart', targets: ['host-blind'] }),
  own('policy', 'policy_denied', 'a change of nothing', { action: 'config-change', params: {} }),
  own('policy', 'params_out_of_bounds', 'a value out of bounds', {
    action: 'config-change',
    params: { speed_mm_s: 1e6 },
  }),
  own('policy', 'params_out_of_bounds', 'a setting that nobody listed', ({ mark = 'x' }) => ({
    action: 'config-change',
    params: { [mark]: mark },
  })),
  own('policy', 'params_out_of_bounds', 'a setting named as what every object has', {
    action: 'config-change',
    params: { toString: 1, valueOf: 2 },
  }),
  own('policy', 'constraint_failed', 'a device outside the plant’s networks', {
    action: 'config-change',
    targets: ['host-far'],
    params: { speed_mm_s: 400 },
  }),
]

export const HOSTILE_INTENTS: readonly HostileIntent[] = [...REJECTED, ...OWN]
