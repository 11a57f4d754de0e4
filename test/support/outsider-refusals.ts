import { createHmac, sign } from 'node:crypto'
import { type Claims, forge, freshId, nowSeconds, type OutsiderKey, signed, signRaw } from './outsider-jws.ts'

/** Who attacks: an agent with real credentials and two keys that are registered, its own and another agent's. */
export interface Attacker {
  readonly agentId: string
  readonly aud: string
  readonly key: OutsiderKey
  readonly otherId: string
  readonly otherKey: OutsiderKey
  /** Users, devices and groups that its record permits. */
  readonly user: string
  readonly device: string
}

/** `own`: status under its own id. `rejected`: under `rejected-<16 of the digest>`. `counted`: no status at all. */
export type Fate = 'own' | 'rejected' | 'counted'

export interface Attack {
  readonly name: string
  readonly fate: Fate
  readonly code: string
  readonly body: (by: Attacker) => string | Uint8Array | Promise<string | Uint8Array>
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
    purpose: 'An outsider asks.',
    ...changes,
  }
}

const header = (by: Attacker, more: Claims = {}): Claims => ({ alg: by.key.alg, kid: by.key.kid, typ: TYP, ...more })
const TYP = 'writ-intent+jwt'
const b64 = (text: string): string => Buffer.from(text).toString('base64url')

const claims =
  (changes: Claims) =>
  (by: Attacker): Promise<string> =>
    signed(by.key, TYP, intentClaims(by, changes))
const withHeader =
  (more: Claims) =>
  (by: Attacker): string =>
    forge(by.key, header(by, more), intentClaims(by))
/** The payload's exact text, made from that of a good intent. */
const text =
  (change: (json: string) => string | Uint8Array) =>
  (by: Attacker): string =>
    forge(by.key, header(by), change(JSON.stringify(intentClaims(by))))
const params = (json: string) => text((all) => all.replace(/}$/, `,"params":${json}}`))

const attack = (name: string, fate: Fate, code: string, body: Attack['body']): Attack => ({ name, fate, code, body })

/** Known by its signature, so its sender is told. */
const REJECTED: readonly Attack[] = [
  attack('another type', 'rejected', 'unsupported_type', (by) => signed(by.key, 'writ-command+jwt', intentClaims(by))),
  attack('a key in the header', 'rejected', 'malformed', (by) =>
    forge(by.key, header(by, { jwk: by.key.jwk }), intentClaims(by)),
  ),
  attack('crit in the header', 'rejected', 'malformed', withHeader({ crit: ['exp'] })),
  attack('b64 in the header', 'rejected', 'malformed', withHeader({ b64: false })),
  attack('a certificate chain in the header', 'rejected', 'malformed', withHeader({ x5c: ['MIIB'] })),
  attack('no type in the header', 'rejected', 'malformed', (by) =>
    forge(by.key, { alg: by.key.alg, kid: by.key.kid }, intentClaims(by)),
  ),
  attack('padded base64url', 'rejected', 'malformed', (by) => {
    const payload = JSON.stringify(intentClaims(by))
    const padded = Buffer.from(`${payload}${' '.repeat(3 - (payload.length % 3) + 1)}`).toString('base64')
    return signRaw(by.key, b64(JSON.stringify(header(by))), padded.replaceAll('+', '-').replaceAll('/', '_'))
  }),
  attack('another audience', 'rejected', 'wrong_audience', claims({ aud: 'writ:us-east-1' })),
  attack('an intent that has expired', 'rejected', 'expired', (by) =>
    claims({ iat: nowSeconds() - 300, exp: nowSeconds() - 1 })(by),
  ),
  attack('an intent from the future', 'rejected', 'not_yet_valid', (by) => claims({ iat: nowSeconds() + 60 })(by)),
  attack('a lifetime of 601 s', 'rejected', 'lifetime_too_long', (by) => claims({ exp: nowSeconds() + 602 })(by)),
  attack('another agent’s id', 'rejected', 'wrong_subject', (by) => claims({ iss: by.otherId })(by)),
  attack('no targets', 'rejected', 'malformed', claims({ targets: [] })),
  attack('101 targets', 'rejected', 'malformed', claims({ targets: Array.from({ length: 101 }, (_, n) => `d${n}`) })),
  attack('a target twice', 'rejected', 'malformed', (by) => claims({ targets: [by.device, by.device] })(by)),
  attack('parameters over 8 KiB', 'rejected', 'malformed', claims({ params: { text: 'x'.repeat(8200) } })),
  attack('a claim that nobody knows', 'rejected', 'malformed', claims({ priority: 'high' })),
  attack('a claim that is null', 'rejected', 'malformed', claims({ delivery: null })),
  attack('a claim that is missing', 'rejected', 'malformed', claims({ purpose: undefined })),
  attack('a fraction of a second', 'rejected', 'malformed', (by) => claims({ iat: nowSeconds() - 0.5 })(by)),
  attack('a reserved id', 'rejected', 'malformed', claims({ jti: 'rejected-0123456789abcdef' })),
  attack('an id that widens a subject', 'rejected', 'malformed', claims({ jti: 'a.>' })),
  attack('an escape sequence for a terminal', 'rejected', 'malformed', claims({ purpose: 'look \u001b[2J' })),
  attack(
    'a claim twice',
    'rejected',
    'malformed',
    text((json) => json.replace('{', '{"action":"restart",')),
  ),
  attack('a lone surrogate', 'rejected', 'malformed', params('{"a":"\\ud800"}')),
  attack('a number of 2^53', 'rejected', 'malformed', params('{"a":9007199254740992}')),
  attack('an infinite number', 'rejected', 'malformed', params('{"a":1e400}')),
  attack('a depth of 33', 'rejected', 'malformed', params(`{"a":${'['.repeat(31)}${']'.repeat(31)}}`)),
  attack('a prototype', 'rejected', 'malformed', params('{"__proto__":{"admin":true}}')),
  attack(
    'a byte order mark',
    'rejected',
    'malformed',
    text((json) => `\ufeff${json}`),
  ),
  attack(
    'bytes that are no UTF-8',
    'rejected',
    'malformed',
    text((json) => {
      const bytes = Buffer.from(json)
      bytes[bytes.indexOf('outsider')] = 0xff
      return bytes
    }),
  ),
  attack(
    'an array in place of claims',
    'rejected',
    'malformed',
    text((json) => `[${json}]`),
  ),
  attack('delivery by the agent', 'rejected', 'unavailable', claims({ delivery: 'agent' })),
  attack('a cancel of nothing', 'rejected', 'chain_broken', (by) => {
    const iat = nowSeconds()
    const cancel = { iss: by.agentId, aud: by.aud, iat, exp: iat + 60, jti: freshId(), intent_digest: by.key.kid }
    return signed(by.key, 'writ-cancel+jwt', cancel)
  }),
]

/** Nobody proved to be its sender: it leaves nothing but a count. */
const COUNTED: readonly Attack[] = [
  attack('alg none', 'counted', 'malformed', (by) => {
    const [head, payload] = [header(by, { alg: 'none' }), intentClaims(by)].map((part) => b64(JSON.stringify(part)))
    return `${head}.${payload}.`
  }),
  attack('HS256 with the public key as its secret', 'counted', 'malformed', (by) => {
    const input = [header(by, { alg: 'HS256' }), intentClaims(by)].map((part) => b64(JSON.stringify(part))).join('.')
    return `${input}.${createHmac('sha256', JSON.stringify(by.key.jwk)).update(input).digest('base64url')}`
  }),
  attack('a signature with one bit flipped', 'counted', 'bad_signature', async (by) => {
    const compact = await signed(by.key, TYP, intentClaims(by))
    const cut = compact.lastIndexOf('.') + 1
    const signature = Buffer.from(compact.slice(cut), 'base64url')
    signature[10] = (signature[10] ?? 0) ^ 1
    return compact.slice(0, cut) + signature.toString('base64url')
  }),
  attack('another agent’s signature under the own key id', 'counted', 'bad_signature', (by) =>
    forge({ ...by.otherKey, kid: by.key.kid }, header(by), intentClaims(by)),
  ),
  attack('another agent’s key', 'counted', 'unknown_key', (by) => signed(by.otherKey, TYP, intentClaims(by))),
  attack('the other algorithm for its key', 'counted', 'bad_signature', (by) =>
    forge(by.key, header(by, { alg: by.key.alg === 'ES256' ? 'EdDSA' : 'ES256' }), intentClaims(by)),
  ),
  attack('a signature in DER', 'counted', 'bad_signature', (by) => {
    const input = [header(by), intentClaims(by)].map((part) => b64(JSON.stringify(part))).join('.')
    return `${input}.${sign('sha256', Buffer.from(input), by.key.privateKey).toString('base64url')}`
  }),
  attack('33 KiB', 'counted', 'too_large', claims({ params: { text: 'x'.repeat(33 * 1024) } })),
  attack('nothing at all', 'counted', 'malformed', () => new Uint8Array()),
  attack('bytes that mean nothing', 'counted', 'malformed', () =>
    Buffer.from(Array.from({ length: 999 }, (_, n) => n)),
  ),
  attack('two segments', 'counted', 'malformed', () => 'e30.e30'),
  attack('four segments', 'counted', 'malformed', async (by) => `${await claims({})(by)}.e30`),
  attack('a JWS in JSON', 'counted', 'malformed', async (by) => {
    const [head, payload, signature] = (await claims({})(by)).split('.')
    return JSON.stringify({ protected: head, payload, signature })
  }),
]

/** Its own intent, so it has its status under its own id. */
const OWN: readonly Attack[] = [
  attack('an unknown device', 'own', 'unknown_device', claims({ targets: ['no-such-device'] })),
  attack('a device without a gateway', 'own', 'device_without_gateway', claims({ targets: ['ext-lone'] })),
  attack('a device of another group', 'own', 'scope_exceeded', claims({ targets: ['ext-hall'] })),
  attack('a device of another group beside its own', 'own', 'scope_exceeded', (by) =>
    claims({ targets: [by.device, 'ext-hall'] })(by),
  ),
  attack('an action beyond the agent’s ceiling', 'own', 'scope_exceeded', claims({ action: 'firmware-update' })),
  attack('an action beyond the device’s ceiling', 'own', 'scope_exceeded', (by) =>
    claims({ action: 'config-change', targets: ['ext-blind'] })(by),
  ),
  attack('a user who is not its own', 'own', 'wrong_user', claims({ on_behalf_of: 'u-anna' })),
  attack(
    'a device whose state nobody knows',
    'own',
    'policy_denied',
    claims({ action: 'restart', targets: ['ext-blind'] }),
  ),
]

export const ATTACKS: readonly Attack[] = [...REJECTED, ...COUNTED, ...OWN]
