import type { PublicJwk } from '@writ/contracts'
import { type Algorithm, parseJws, requestDigest, signerOf, signJws, type UnverifiedJws, verifyJws } from '@writ/keys'
import fc from 'fast-check'
import { digestIfSignedBy } from '../../../services/intent-gateway/src/core/signed-by.ts'
import { bytes, type Format, format, orRefused, textOf } from '../format.ts'
import { keyOf } from '../plant.ts'
import { jsonText } from './json.ts'

const BYTES_MAX = 32 * 1024

/** ES256 signatures are made with randomness: these two are kept, with their key, so that a run can be repeated. */
const ES256_KEY: PublicJwk = {
  kty: 'EC',
  crv: 'P-256',
  x: 'OJNueD4fr1eSYLrtIF2ezmoYyVl5NTtcEnC8Vw79HXw',
  y: 'qdXIbwuLruK24ExPPw0x0HORWBWIuaR_RYz4J4Z-GsQ',
}
const ES256_MESSAGES = [
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IldwWUxBdnZSQnZBM1RkOVZHMXNYYnJRX3VPcG56NDBGU1JKeXNvRFBHUVEiLCJ0eXAiOiJ3cml0LWludGVudCtqd3QifQ.eyJhIjoidGV4dCIsImIiOlsxLDIuNSxudWxsXSwiYyI6eyJkIjoiw7zwn5iAIn19.3GIt0DwzjFCjhFNvPViPvumYRBXRDo4IwIS9X44H5vuU_JwJRRNPiCQeswGHQvnwz1YHhQmAbLlW25fyuGbs7A',
  'eyJhbGciOiJFUzI1NiIsImtpZCI6IldwWUxBdnZSQnZBM1RkOVZHMXNYYnJRX3VPcG56NDBGU1JKeXNvRFBHUVEiLCJ0eXAiOiJ3cml0LWludGVudCtqd3QifQ.eyJhIjoidGV4dCIsImIiOlsxXSwiZSI6dHJ1ZX0.yRhV2wqNjJgKW70imV0LfmUQDzTQ81zrBg4zce2MkcDNxIpHHET1yOCLDMY_m5bc9t99pOPU0_CI1ksyZFsQ8Q',
]

/** What a message says, whatever bytes its signature has (CONTRACT: s → n−s is the same message). */
interface Said {
  readonly digest: string
  readonly payload: unknown
  readonly typ: string
}

const sayOf = ({ digest, payload, typ }: UnverifiedJws): Said => ({ digest, payload, typ })
const segment = (arbitrary: fc.Arbitrary<Uint8Array>): fc.Arbitrary<string> =>
  arbitrary.map((inner) => Buffer.from(inner).toString('base64url'))

const header = fc.oneof(
  fc
    .record(
      {
        alg: fc.constantFrom<unknown>('ES256', 'EdDSA', 'none', 'HS256', 'es256', null, ['ES256']),
        kid: fc.constantFrom<unknown>('k', '', 1, null),
        typ: fc.constantFrom<unknown>('writ-intent+jwt', 'JWT', null, {}),
        crit: fc.constantFrom(['b64']),
        b64: fc.boolean(),
        jwk: fc.constant({}),
        jku: fc.constant('https://example.org'),
      },
      { requiredKeys: ['alg', 'kid', 'typ'] },
    )
    .map((value) => bytes(JSON.stringify(value))),
  jsonText,
)

/** Three segments, or nearly. */
const compact: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    segment(header),
    segment(jsonText),
    segment(fc.uint8Array({ maxLength: 72 })),
    fc.constantFrom('', '=', '.', '\n', 'A', '.AA'),
  )
  .map(([a, b, c, end]) => bytes(`${a}.${b}.${c}${end}`))

const ORDER = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')

/** The other signature that verifies: s → n−s. It is the same message, not a new one. */
function flipped(message: string): string {
  const end = message.lastIndexOf('.') + 1
  const signature = Buffer.from(message.slice(end), 'base64url')
  const s = ORDER - BigInt(`0x${signature.subarray(32).toString('hex')}`)
  const other = Buffer.from(s.toString(16).padStart(64, '0'), 'hex')
  return `${message.slice(0, end)}${Buffer.concat([signature.subarray(0, 32), other]).toString('base64url')}`
}

/** Parser and verifier with a key of one algorithm. */
async function jws(algorithm: Algorithm): Promise<Format> {
  const signer = signerOf(keyOf('jws'))
  const claims = [
    { a: 'text', b: [1, 2.5, null], c: { d: 'ü😀' } },
    { a: 'text', b: [1], e: true },
  ]
  const eddsa = await Promise.all(claims.map((value) => signJws(signer, 'writ-intent+jwt', value)))
  const key = algorithm === 'ES256' ? ES256_KEY : signer.jwk
  return format<Said>({
    name: `jws-${algorithm.toLowerCase()}`,
    samples: (algorithm === 'ES256' ? [...ES256_MESSAGES, ...ES256_MESSAGES.map(flipped)] : eddsa).map(bytes),
    garbage: compact,
    genuine: true,
    bytesMax: BYTES_MAX + 64,
    read: (input) => {
      const parsed = parseJws(input, BYTES_MAX)
      verifyJws(parsed, key)
      return sayOf(parsed)
    },
  })
}

export const jwsEs256 = (): Promise<Format> => jws('ES256')
export const jwsEddsa = (): Promise<Format> => jws('EdDSA')

/** The parser alone: what it takes apart is written with exactly the bytes that came. */
export const jwsParse = (): Format =>
  format<UnverifiedJws>({
    name: 'jws-parse',
    samples: ES256_MESSAGES.map(bytes),
    garbage: compact,
    read: (input) => parseJws(input, BYTES_MAX),
    oneForm: true,
    write: ({ signingInput, signature }) => bytes(`${signingInput}.${signature.toString('base64url')}`),
    check: ({ digest }, input) => (requestDigest(input) === digest ? undefined : 'A reply would name another digest.'),
  })

/** `digestIfSignedBy`: who an intent that cannot be read is charged to. Only what the key signed counts. */
export const jwsSigned = (): Format =>
  format<string>({
    name: 'jws-signed-by',
    samples: ES256_MESSAGES.map(bytes),
    garbage: compact,
    genuine: true,
    read: (input) => orRefused(digestIfSignedBy([ES256_KEY], input, BYTES_MAX)),
    check: (_, input) => (textOf(input).split('.').length === 3 ? undefined : 'Not three segments.'),
  })
