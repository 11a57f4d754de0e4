import { createHmac, sign } from 'node:crypto'
import type { ReasonCode } from '@writ/contracts'
import type { Check } from './hostile-checks.ts'
import { type Claims, forge, nowSeconds, type OutsiderKey, signed, signRaw } from './outsider-jws.ts'

/** A good message of some type, about to be spoiled, and the keys that its sender has no right to. */
export interface Good {
  readonly key: OutsiderKey
  readonly typ: string
  readonly claims: Claims
  readonly bytesMax: number
  readonly lifetimeSecondsMax: number
  /** Stands wherever text may stand, so that it can be looked for afterwards. */
  readonly mark: string
  readonly another: OutsiderKey
  readonly anotherRole: OutsiderKey
  /** Was the sender's once. */
  readonly removed: OutsiderKey
  /** Of a running service, by its endorsement. */
  readonly serviceKid: string
}

/** One way to spoil any signed message. */
export interface Form {
  readonly name: string
  readonly check: Check
  readonly code: ReasonCode
  /** A key of the sender made the signature over what was sent: its sender is told, and it is in the log. */
  readonly signed: boolean
  readonly body: (good: Good) => string | Uint8Array | Promise<string | Uint8Array>
}

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The same message under the other signature that verifies: ES256 takes s and n−s alike. */
export function flipped(compact: string): string {
  const cut = compact.lastIndexOf('.') + 1
  const signature = Buffer.from(compact.slice(cut), 'base64url')
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`)
  const other = Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex')
  return compact.slice(0, cut) + Buffer.concat([signature.subarray(0, 32), other]).toString('base64url')
}

const b64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url')
const headerOf = ({ key: { alg, kid }, typ }: Good, more: Claims = {}): Claims => ({ alg, kid, typ, ...more })
const partsOf = (good: Good, more: Claims = {}): readonly [string, string] => [
  b64(JSON.stringify(headerOf(good, more))),
  b64(JSON.stringify(good.claims)),
]
const good = ({ key, typ, claims }: Good): Promise<string> => signed(key, typ, claims)

type Make = Form['body']
/** With a signature of the sender's, and without. */
const own = (check: Check, code: ReasonCode, name: string, body: Make): Form => ({
  name,
  check,
  code,
  signed: true,
  body,
})
const strange = (check: Check, code: ReasonCode, name: string, body: Make): Form => ({
  ...own(check, code, name, body),
  signed: false,
})

const header = (name: string, more: (all: Good) => Claims): Form =>
  own('form', 'malformed', name, (all) => forge(all.key, headerOf(all, more(all)), all.claims))
const headerText = (name: string, text: (all: Good) => string): Form =>
  own('form', 'malformed', name, (all) => forge(all.key, text(all), all.claims))
const text = (name: string, change: (json: string, all: Good) => string | Uint8Array): Form =>
  own('form', 'malformed', name, (all) => forge(all.key, headerOf(all), change(JSON.stringify(all.claims), all)))
/** One more member, of any JSON. */
const member = (name: string, json: string): Form =>
  text(name, (all) => all.replace(/}$/, `,${json.startsWith('"') ? json : `"params":${json}`}}`))
const claims = (check: Check, code: ReasonCode, name: string, change: (all: Good) => Claims): Form =>
  own(check, code, name, (all) => signed(all.key, all.typ, { ...all.claims, ...change(all) }))
const reshaped = (name: string, change: (compact: string) => string): Form =>
  own('form', 'malformed', name, async (all) => change(await good(all)))
/** Another signature under the good message. */
const signature = (name: string, make: (bytes: Buffer) => Uint8Array): Form =>
  strange('signature', 'bad_signature', name, async (all) => {
    const compact = await good(all)
    const cut = compact.lastIndexOf('.') + 1
    return compact.slice(0, cut) + b64(make(Buffer.from(compact.slice(cut), 'base64url')))
  })

/** The last character's unused bits, not zero: the same bytes to a careless decoder. */
function noncanonical(segment: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return segment.slice(0, -1) + alphabet[alphabet.indexOf(segment.at(-1) ?? 'A') + 1]
}

/** A payload whose length leaves unused bits, or room for padding. */
const unevenly = (all: Good): string => {
  const json = JSON.stringify(all.claims)
  return `${json}${' '.repeat((1 - (json.length % 3) + 3) % 3)}`
}

const SIZES: readonly Form[] = [
  strange('size', 'too_large', 'over the limit of its type', (all) =>
    signed(all.key, all.typ, { ...all.claims, params: { text: all.mark.padEnd(all.bytesMax, 'x') } }),
  ),
]

const UNSHAPED: readonly Form[] = [
  strange('form', 'malformed', 'bytes that mean nothing', () => Buffer.from(Array.from({ length: 999 }, (_, n) => n))),
  strange('form', 'malformed', 'text that is no JWS', ({ mark }) => `${mark} <script>\r\n\u001b[2J`),
  strange('form', 'malformed', 'the bare claims', (all) => JSON.stringify(all.claims)),
  strange('form', 'malformed', 'a JWS in JSON', async (all) => {
    const [head, payload, last] = (await good(all)).split('.')
    return JSON.stringify({ protected: head, payload, signature: last })
  }),
  strange('form', 'malformed', 'two dots and nothing else', () => '..'),
  strange('form', 'malformed', 'two segments', () => 'e30.e30'),
  strange('form', 'malformed', 'four segments', async (all) => `${await good(all)}.e30`),
  strange('form', 'malformed', 'ten thousand segments', () => '.'.repeat(10_000)),
  strange('form', 'malformed', 'UTF-16', async (all) => Buffer.from(await good(all), 'utf16le')),
]

const ENCODINGS: readonly Form[] = [
  reshaped('a line feed behind it', (compact) => `${compact}\n`),
  reshaped('padding behind its signature', (compact) => `${compact}==`),
  reshaped('a signature that is not canonical', (compact) => noncanonical(compact)),
  own('form', 'malformed', 'a padded payload', (all) => {
    const padded = Buffer.from(unevenly(all)).toString('base64')
    return signRaw(all.key, partsOf(all)[0], padded.replaceAll('+', '-').replaceAll('/', '_'))
  }),
  own('form', 'malformed', 'a payload that is not canonical', (all) =>
    signRaw(all.key, partsOf(all)[0], noncanonical(b64(unevenly(all)))),
  ),
  own('form', 'malformed', 'a payload in the other alphabet', (all) => {
    const json = JSON.stringify(all.claims).replace(/}$/, ',"params":{"text":"???>>>???>>>"}}')
    return signRaw(all.key, partsOf(all)[0], Buffer.from(json).toString('base64').replaceAll('=', ''))
  }),
  own('form', 'malformed', 'a space in the payload', (all) => {
    const [head, payload] = partsOf(all)
    return signRaw(all.key, head, `${payload.slice(0, 8)} ${payload.slice(8)}`)
  }),
]

const HEADERS: readonly Form[] = [
  header('a key in the header', ({ key }) => ({ jwk: key.jwk })),
  header('the address of a key in the header', ({ mark }) => ({ jku: `https://${mark}.example/jwks` })),
  header('a certificate chain in the header', () => ({ x5c: ['MIIB'] })),
  header('the address of a certificate in the header', ({ mark }) => ({ x5u: `https://${mark}.example/` })),
  header('crit in the header', () => ({ crit: ['exp'], exp: 1 })),
  header('b64 in the header', () => ({ b64: false })),
  header('another member in the header', ({ mark }) => ({ [mark]: mark })),
  header('no type in the header', () => ({ typ: undefined })),
  header('a type that is a number', () => ({ typ: 7 })),
  headerText('the type twice in the header', (all) =>
    JSON.stringify(headerOf(all)).replace(/}$/, `,"typ":${JSON.stringify(all.typ)}}`),
  ),
  headerText('a prototype in the header', (all) =>
    JSON.stringify(headerOf(all)).replace(/}$/, ',"__proto__":{"typ":"x"}}'),
  ),
  strange('form', 'malformed', 'an array in place of the header', (all) =>
    forge(all.key, JSON.stringify([headerOf(all)]), all.claims),
  ),
  strange('form', 'malformed', 'a header that is null', (all) => forge(all.key, 'null', all.claims)),
  strange('form', 'malformed', 'a header that is no JSON', (all) => forge(all.key, all.mark, all.claims)),
  strange('form', 'malformed', 'a header 10,000 deep', (all) => forge(all.key, '['.repeat(10_000), all.claims)),
  strange('form', 'malformed', 'no key id in the header', (all) =>
    forge(all.key, headerOf(all, { kid: undefined }), all.claims),
  ),
  strange('form', 'malformed', 'a key id that is a list', (all) =>
    forge(all.key, headerOf(all, { kid: [all.key.kid] }), all.claims),
  ),
  strange('form', 'malformed', 'no algorithm in the header', (all) =>
    forge(all.key, headerOf(all, { alg: undefined }), all.claims),
  ),
  strange('form', 'malformed', 'alg none', (all) => `${partsOf(all, { alg: 'none' }).join('.')}.`),
  strange('form', 'malformed', 'HS256 with the public key as its secret', (all) => {
    const input = partsOf(all, { alg: 'HS256' }).join('.')
    return `${input}.${createHmac('sha256', JSON.stringify(all.key.jwk)).update(input).digest('base64url')}`
  }),
  strange('form', 'malformed', 'an algorithm that is not one of the two', (all) =>
    forge(all.key, headerOf(all, { alg: 'ES384' }), all.claims),
  ),
]

const PAYLOADS: readonly Form[] = [
  text('a payload that is no JSON', (_, { mark }) => mark),
  text('no payload', () => ''),
  text('a payload that is null', () => 'null'),
  text('an array in place of claims', (json) => `[${json}]`),
  text('a text in place of claims', (json) => JSON.stringify(json)),
  text('more behind the claims', (json) => `${json}{}`),
  text('a comment', (json) => `${json}//`),
  text('a byte order mark', (json) => `\ufeff${json}`),
  text('a claim twice', (json) => json.replace('{', '{"iss":"x",')),
  text('a claim twice, once in disguise', (json) => json.replace('{', '{"\\u0069ss":"x",')),
  text('bytes that are no UTF-8', (json, { mark }) => {
    const bytes = Buffer.from(json.replace('{', `{"x":"${mark}",`))
    bytes[bytes.indexOf(mark)] = 0xff
    return bytes
  }),
  text('an overlong UTF-8 form', (json) =>
    Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xc0, 0xaf]), Buffer.from(json.replace('{', '",'))]),
  ),
  member('a lone surrogate', '{"a":"\\ud800"}'),
  member('a lone surrogate in a name', '{"\\udfff":1}'),
  member('a number of 2^53', '{"a":9007199254740992}'),
  member('a number of 2^53+1', '{"a":9007199254740993}'),
  member('a number of -2^53', '{"a":-9007199254740992}'),
  member('1e999', '{"a":1e999}'),
  member('NaN', '{"a":NaN}'),
  member('a member twice', '{"a":1,"a":2}'),
  member('a depth of 33', `{"a":${'['.repeat(31)}${']'.repeat(31)}}`),
  member('a depth of 10,000', `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`),
  member('10,000 objects deep', `${'{"a":'.repeat(3500)}1${'}'.repeat(3500)}`),
  member('brackets that nobody closes', '['.repeat(10_000)),
  member('a prototype', '{"__proto__":{"admin":true}}'),
  member('a prototype among the claims', '"__proto__":{"iss":"x"}'),
  member('a constructor', '{"constructor":{"prototype":{"admin":true}}}'),
]

const CLAIMS: readonly Form[] = [
  claims('claims', 'malformed', 'a claim that nobody knows', ({ mark }) => ({ [mark]: mark })),
  claims('claims', 'malformed', 'a claim that is null', () => ({ jti: null })),
  claims('claims', 'malformed', 'a claim that is missing', () => ({ jti: undefined })),
  claims('claims', 'malformed', 'nbf', () => ({ nbf: nowSeconds() })),
  claims('claims', 'malformed', 'a list of audiences', ({ claims: { aud } }) => ({ aud: [aud] })),
  claims('claims', 'malformed', 'a fraction of a second', () => ({ iat: nowSeconds() - 0.5 })),
  claims('claims', 'malformed', 'a time in text', () => ({ iat: String(nowSeconds()) })),
  claims('claims', 'malformed', 'a time before 1970', () => ({ iat: -1 })),
  claims('claims', 'malformed', 'an end in 10^300 s', () => ({ exp: 1e300 })),
  claims('claims', 'malformed', 'a line feed behind the id', ({ claims: { jti } }) => ({ jti: `${String(jti)}\n` })),
  claims('claims', 'malformed', 'a NUL in the id', () => ({ jti: 'a\u0000b' })),
  claims('claims', 'malformed', 'an id that widens a subject', () => ({ jti: 'a.>' })),
  claims('claims', 'malformed', 'an id of 65 characters', () => ({ jti: 'a'.repeat(65) })),
  claims('claims', 'malformed', 'an id in other letters', () => ({ jti: 'аbс' })),
  claims('claims', 'malformed', 'a reserved id', () => ({ jti: 'rejected-0123456789abcdef' })),
  claims('claims', 'malformed', 'an id that is an object', () => ({ jti: { toString: 'x' } })),
  claims('subject', 'wrong_subject', 'another’s id', () => ({ iss: 'host-other' })),
  claims('subject', 'wrong_subject', 'a line feed behind the own id', ({ claims: { iss } }) => ({
    iss: `${String(iss)}\n`,
  })),
  claims('subject', 'wrong_subject', 'the own id in capitals', ({ claims: { iss } }) => ({
    iss: String(iss).toUpperCase(),
  })),
  claims('audience and times', 'wrong_audience', 'another region', () => ({ aud: 'writ:us-east-1' })),
  claims('audience and times', 'not_yet_valid', 'a message from the future', () => ({
    iat: nowSeconds() + 60,
    exp: nowSeconds() + 90,
  })),
  claims('audience and times', 'expired', 'a message that has expired', () => ({
    iat: nowSeconds() - 30,
    exp: nowSeconds(),
  })),
  claims('audience and times', 'lifetime_too_long', 'a second more than it may live', ({ lifetimeSecondsMax }) => ({
    iat: nowSeconds(),
    exp: nowSeconds() + lifetimeSecondsMax + 1,
  })),
  claims('audience and times', 'lifetime_too_long', 'an end in 285 million years', () => ({ exp: 2 ** 53 - 1 })),
]

const TYPES: readonly Form[] = ['writ-outcome+jwt', 'JWT', 'application/writ-intent+jwt', ''].map((typ) =>
  own('type', 'unsupported_type', `the type ${typ || 'without a name'}`, (all) =>
    forge(all.key, headerOf(all, { typ }), all.claims),
  ),
)

const KEYS: readonly Form[] = [
  strange('kid', 'unknown_key', 'another’s key', (all) => signed(all.another, all.typ, all.claims)),
  strange('kid', 'unknown_key', 'a key of another role', (all) => signed(all.anotherRole, all.typ, all.claims)),
  strange('kid', 'unknown_key', 'a key that was removed', (all) => signed(all.removed, all.typ, all.claims)),
  strange('kid', 'unknown_key', 'a service’s key id', (all) =>
    forge(all.key, headerOf(all, { kid: all.serviceKid }), all.claims),
  ),
  strange('kid', 'unknown_key', 'a key id that names a prototype', (all) =>
    forge(all.key, headerOf(all, { kid: 'constructor' }), all.claims),
  ),
  strange('kid', 'unknown_key', 'a key id with a line feed behind it', (all) =>
    forge(all.key, headerOf(all, { kid: `${all.key.kid}\n` }), all.claims),
  ),
  strange('kid', 'unknown_key', 'a key id out of a path', (all) =>
    forge(all.key, headerOf(all, { kid: `../../${all.mark}` }), all.claims),
  ),
]

const SIGNATURES: readonly Form[] = [
  strange('signature', 'bad_signature', 'another’s signature under the own key id', (all) =>
    forge({ ...all.another, kid: all.key.kid }, headerOf(all), all.claims),
  ),
  strange('signature', 'bad_signature', 'the other algorithm for its key', (all) =>
    forge(all.key, headerOf(all, { alg: all.key.alg === 'ES256' ? 'EdDSA' : 'ES256' }), all.claims),
  ),
  strange('signature', 'bad_signature', 'the signature of another message', async (all) => {
    const other = await signed(all.key, all.typ, { ...all.claims, iat: nowSeconds() - 1 })
    const compact = await good(all)
    return compact.slice(0, compact.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'))
  }),
  strange('signature', 'bad_signature', 'a signature in DER', (all) => {
    const input = partsOf(all).join('.')
    return `${input}.${sign('sha256', Buffer.from(input), all.key.privateKey).toString('base64url')}`
  }),
  signature('no signature', () => new Uint8Array()),
  signature('a signature of zeros', () => new Uint8Array(64)),
  signature('a signature of ones', () => new Uint8Array(64).fill(0xff)),
  signature('an r of zero', (bytes) => bytes.fill(0, 0, 32)),
  signature('an s of zero', (bytes) => bytes.fill(0, 32)),
  signature('an r of n', (bytes) => Buffer.concat([Buffer.from(N.toString(16), 'hex'), bytes.subarray(32)])),
  signature('an s of n', (bytes) => Buffer.concat([bytes.subarray(0, 32), Buffer.from(N.toString(16), 'hex')])),
  signature('63 bytes of signature', (bytes) => bytes.subarray(0, 63)),
  signature('65 bytes of signature', (bytes) => Buffer.concat([bytes, Buffer.of(0)])),
  signature('a signature with one bit flipped', (bytes) => {
    bytes[10] = (bytes[10] ?? 0) ^ 1
    return bytes
  }),
]

export const FORMS: readonly Form[] = [
  ...SIZES,
  ...UNSHAPED,
  ...ENCODINGS,
  ...HEADERS,
  ...PAYLOADS,
  ...TYPES,
  ...CLAIMS,
  ...KEYS,
  ...SIGNATURES,
]
