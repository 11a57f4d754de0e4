import { intentMessage } from '@writ/contracts'
import fc from 'fast-check'
import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  ephemeralSigner,
  generateJwk,
  openMessage,
  parseIJson,
  parseJws,
  publicJwk,
  requestDigest,
  sha256,
  signerOf,
  signJws,
  thumbprint,
  verifyJws,
  verifyJwsAhead,
} from './index.ts'

const code = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return 'accepted'
}
const encode = (text: string) => Buffer.from(text).toString('base64url')
const header = (extra = {}) => encode(JSON.stringify({ alg: 'ES256', kid: 'k', typ: 't', ...extra }))

describe('compact JWS', () => {
  for (const alg of ['ES256', 'EdDSA'] as const) {
    test(`${alg}: an independent library verifies ours, and ours verifies its`, async () => {
      const secret = generateJwk(alg)
      const jwk = publicJwk(secret)
      expect(thumbprint(jwk)).toBe(await calculateJwkThumbprint(jwk))
      const ours = await signJws(signerOf(secret), 't', { a: 1 })
      await compactVerify(ours, await importJWK(jwk, alg))
      const theirs = await new CompactSign(Buffer.from('{"a":1}'))
        .setProtectedHeader({ alg, kid: thumbprint(jwk), typ: 't' })
        .sign(await importJWK({ ...secret }, alg))
      expect(code(() => verifyJws(parseJws(theirs, 1000), jwk))).toBe('accepted')
    })
  }

  test('refuses the signature of another key, a changed payload and signatures of odd form', async () => {
    const signer = ephemeralSigner()
    const jws = parseJws(await signJws(signer, 't', { a: 1 }), 1000)
    expect(code(() => verifyJws(jws, ephemeralSigner().jwk))).toBe('bad_signature')
    expect(code(() => verifyJws({ ...jws, signingInput: `${jws.signingInput}A` }, signer.jwk))).toBe('bad_signature')
    for (const signature of [Buffer.alloc(64), Buffer.alloc(0), Buffer.alloc(72, 1), Buffer.alloc(64, 255)]) {
      expect(code(() => verifyJws({ ...jws, signature }, signer.jwk))).toBe('bad_signature')
    }
    expect(code(() => verifyJws(jws, publicJwk(generateJwk('EdDSA'))))).toBe('bad_signature')
  })

  test('looking ahead makes no signature hold that does not, and says nothing', async () => {
    for (const alg of ['ES256', 'EdDSA'] as const) {
      const signer = signerOf(generateJwk(alg))
      const jws = parseJws(await signJws(signer, 't', { ahead: alg }), 1000)
      const stranger = publicJwk(generateJwk(alg))
      const forged = { ...jws, signature: Buffer.alloc(64, 7) }
      const other = publicJwk(generateJwk(alg === 'ES256' ? 'EdDSA' : 'ES256'))
      await Promise.all([
        verifyJwsAhead(jws, stranger),
        verifyJwsAhead(forged, signer.jwk),
        verifyJwsAhead({ ...jws, signature: Buffer.alloc(3) }, signer.jwk),
        verifyJwsAhead(jws, other),
        verifyJwsAhead(jws, { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) }),
        verifyJwsAhead(jws, signer.jwk),
        verifyJwsAhead(jws, signer.jwk),
      ])
      expect(code(() => verifyJws(jws, stranger))).toBe('bad_signature')
      expect(code(() => verifyJws(forged, signer.jwk))).toBe('bad_signature')
      expect(code(() => verifyJws(jws, other))).toBe('bad_signature')
      expect(code(() => verifyJws(jws, signer.jwk))).toBe('accepted')
    }
  })

  test.each([
    ['two segments', `${header()}.e30`],
    ['four segments', `${header()}.e30.AA.AA`],
    ['padding', `${header()}.e30=.AA`],
    ['bits that are not zero', `${header()}.e31.AA`],
    ['another alphabet', `${header()}.e+0.AA`],
    ['alg none', `${header({ alg: 'none' })}.e30.AA`],
    ['alg HS256', `${header({ alg: 'HS256' })}.e30.AA`],
    ['a jwk in the header', `${header({ jwk: {} })}.e30.AA`],
    ['crit', `${header({ crit: ['b64'] })}.e30.AA`],
    ['a header without typ', `${encode('{"alg":"ES256","kid":"k"}')}.e30.AA`],
    ['a payload that is no object', `${header()}.${encode('[]')}.AA`],
    ['a trailing newline', `${header()}.e30.AA\n`],
  ])('refuses %s as malformed', (_, text) => {
    expect(code(() => parseJws(text, 10_000))).toBe('malformed')
  })

  test('looks at the size before anything else', () => {
    expect(code(() => parseJws('.'.repeat(101), 100))).toBe('too_large')
  })

  test('no mutation of a byte is accepted, and nothing but a Fault is thrown', async () => {
    const signer = ephemeralSigner()
    const good = await signJws(signer, 't', { a: 'text', b: [1, 2] })
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bytes = Buffer.from(good)
        bytes[at] = ((bytes[at] as number) + by) % 256
        expect(['malformed', 'bad_signature']).toContain(code(() => verifyJws(parseJws(bytes, 1000), signer.jwk)))
      }),
      { seed: 1 },
    )
  })
})

describe('I-JSON', () => {
  test.each([
    ['duplicate members', '{"a":1,"a":2}'],
    ['duplicate members spelled differently', '{"a":1,"\\u0061":2}'],
    ['duplicates further in', '{"x":[{"a":{},"a":{}}]}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate in a name', '{"\\udc00":1}'],
    ['2⁵³', '{"a":9007199254740992}'],
    ['1e999', '{"a":1e999}'],
    ['__proto__', '{"__proto__":{}}'],
    ['constructor', '{"a":{"constructor":1}}'],
    ['33 levels', `{"a":${'['.repeat(32)}${']'.repeat(32)}}`],
    ['a byte order mark', '\ufeff{}'],
    ['a comment', '{}//'],
  ])('refuses %s', (_, text) => {
    expect(code(() => parseIJson(Buffer.from(text)))).toBe('malformed')
  })
  test('refuses what is not UTF-8 and 10,000 levels without a crash', () => {
    expect(code(() => parseIJson(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])))).toBe('malformed')
    expect(code(() => parseIJson(Buffer.from('['.repeat(10_000))))).toBe('malformed')
    expect(code(() => parseIJson(Buffer.from(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)))).toBe('malformed')
  })
  test('takes 32 levels, colons and quotes in strings, and numbers below 2⁵³', () => {
    const text = `{"a:\\"b":"c:\\\\","n":9007199254740991,"d":${'['.repeat(31)}${']'.repeat(31)}}`
    expect(parseIJson(Buffer.from(text))).toEqual(JSON.parse(text))
  })
})

test('claims are checked strictly: an unknown one, a missing one, a fractional time', async () => {
  const intent = {
    iss: 'a',
    aud: 'writ:r',
    iat: 1,
    exp: 2,
    jti: 'i',
    on_behalf_of: 'u',
    action: 'x',
    targets: ['d'],
    purpose: 'p',
  }
  const open = async (claims: object) => {
    const body = await signJws(ephemeralSigner(), 'writ-intent+jwt', claims)
    return code(() => openMessage(intentMessage, body))
  }
  expect(await open(intent)).toBe('accepted')
  for (const wrong of [
    { ...intent, more: 1 },
    { ...intent, purpose: undefined },
    { ...intent, iat: 1.5 },
    { ...intent, jti: 'i\n' },
    { ...intent, jti: 'rejected-x' },
    { ...intent, targets: ['d', 'd'] },
  ]) {
    expect(await open(wrong)).toBe('malformed')
  }
})

test('a reply names what was sent byte for byte, also what is no text', () => {
  const body = Buffer.from([0xff, 0x2e, 0xfe, 0x2e, 0x80])
  expect(requestDigest(body)).toBe(sha256(body.subarray(0, 3)))
  expect(requestDigest(body.subarray(0, 3))).toBe(sha256(body.subarray(0, 3)))
})
