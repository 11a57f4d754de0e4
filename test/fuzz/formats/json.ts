import type { JsonObject } from '@writ/contracts'
import { canonicalJson, parseIJson } from '@writ/keys'
import fc from 'fast-check'
import { bytes, type Format, format, jsonBytes } from '../format.ts'

const NUMBER_MAX = 2 ** 53

/** Text of characters that readers stumble over. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    ...['a', 'Z', '0', '_', '-', '.', ' ', '"', "'", '\\', '/', '=', ':', ',', '{', ']', '+', '%', '$'],
    ...[
      '\0',
      '\n',
      '\r',
      '\t',
      '\u001b',
      '\u007f',
      '\u0085',
      '\u00a0',
      '\u2028',
      '\u202e',
      '\u200b',
      '\ufeff',
      '\ufffd',
    ],
    ...['é', 'ß', 'İ', '中', '😀', '\u{10ffff}', '\ud800', '\udc00'],
  )
  return fc.string({ unit, maxLength })
}

/** Any JSON value, with names and texts that readers stumble over. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, false, 0, -0, 1.5, NUMBER_MAX, -NUMBER_MAX, NUMBER_MAX - 1, 1e300, ''),
    anyText(12),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('__proto__', 'constructor', 'a', 'iss')),
      tie('value'),
      {
        maxKeys: 4,
        noNullPrototype: true,
      },
    ),
  ),
})).value

/** JSON text that JSON.stringify would not write: duplicate names, escapes, odd numbers, spaces. */
export const jsonText: fc.Arbitrary<Uint8Array> = fc.oneof(
  anyJson.map(jsonBytes),
  fc
    .array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '"a"',
        '"\\u0061"',
        '"__proto__"',
        '"\\ud800"',
        '1',
        '-',
        '1e9',
        '.5',
        ' ',
        '\n',
        'nul',
        'true',
        '"',
      ),
      { maxLength: 20 },
    )
    .map((parts) => bytes(`{"a":${parts.join('')}}`)),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('a', '\\u0061', 'b', '__proto__', 'a:'),
        fc.constantFrom('1', '{}', '"x:y"', '[{"a":1}]'),
      ),
      { maxLength: 5 },
    )
    .map((members) => bytes(`{${members.map(([name, value]) => `"${name}":${value}`).join(',')}}`)),
  fc.uint8Array({ maxLength: 40 }),
)

export const json = (): Format =>
  format<JsonObject>({
    name: 'json',
    samples: [
      bytes('{"a":1,"b":[true,null,"x\\u00e9\\n"],"c":{"d":-1.5e3,"e":{}},"":"\\ud83d\\ude00:\\"{"}'),
      bytes(`{"deep":${'['.repeat(31)}${']'.repeat(31)},"n":9007199254740991}`),
      bytes(' {"iss" : "a1",\n"iat":1, "params":{"x":0.1,"y":1e-7}} '),
    ],
    garbage: jsonText,
    read: parseIJson,
    meaning: canonicalJson,
    write: (value) => bytes(canonicalJson(value)),
    check: (value, input) => wrongWith(value, input),
  })

/** What of CONTRACT section 1 does not hold of an accepted object, looked at another way than the parser does. */
function wrongWith(value: JsonObject, input: Uint8Array): string | undefined {
  const text = Buffer.from(input).toString('utf8')
  if (!Buffer.from(text).equals(input)) return 'Accepted what is not UTF-8.'
  const names: string[] = []
  const texts: string[] = []
  let numbers = 0
  JSON.parse(text, (name, inner: unknown) => {
    names.push(name)
    if (typeof inner === 'number') numbers = Math.max(numbers, Math.abs(inner))
    if (typeof inner === 'string') texts.push(inner)
    return inner
  })
  if (numbers >= NUMBER_MAX) return 'Accepted a number of 2⁵³ or more.'
  if (names.some((name) => ['__proto__', 'constructor', 'prototype'].includes(name)))
    return 'Accepted a forbidden name.'
  if (membersWritten(text) !== membersIn(value)) return 'Accepted two members of one name.'
  if (depthOf(value) > 32) return 'Accepted more than 32 levels.'
  return [...names, ...texts].every((name) => name.isWellFormed()) ? undefined : 'Accepted a lone surrogate.'
}

/** Names in the text: strings that a colon follows. */
function membersWritten(text: string): number {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length
}

function membersIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner = Object.values(value).reduce<number>((sum, item) => sum + membersIn(item), 0)
  return inner + (Array.isArray(value) ? 0 : Object.keys(value).length)
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}
