import type { Random } from './random.ts'

/** What breaks readers: tokens of JSON, JWS, tar, notes and shells, and text that looks like something else. */
const TOKENS = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'null',
  'true',
  '{}',
  '[]',
  '{',
  '}',
  '[',
  ']',
  '"',
  ':',
  ',',
  '.',
  '..',
  '=',
  '==',
  '-',
  '--',
  '_',
  '/',
  '\\',
  '\\u0000',
  '\\ud800',
  '\\u005f_proto__',
  '\\n',
  '\n',
  '\r\n',
  '\n\n',
  '\0',
  '\t',
  ' ',
  '\u2028',
  '\ufeff',
  '\u0085',
  '\u202e',
  'é',
  '😀',
  'rejected-',
  'none',
  'HS256',
  'ES256',
  'EdDSA',
  'crit',
  'b64',
  'jwk',
  '$where',
  '../',
  '%s',
  '-1',
  '1e999',
  '9007199254740993',
  '"__proto__":{"polluted":true},',
  '"iss":"a1",',
  '— ',
  '+',
  'A'.repeat(43),
].map((token) => Buffer.from(token))
const NUMBERS = [
  '0',
  '-0',
  '-1',
  '1',
  '2',
  '1.5',
  '1e1',
  '1e999',
  '-1e999',
  '1e-999',
  '00',
  '01',
  '9007199254740991',
  '9007199254740992',
  '-9007199254740992',
  '9007199254740993',
  '18446744073709551616',
  '4294967296',
  '2147483648',
  '99999999999999999999999999',
  '0x10',
  '1_0',
  '+1',
  '',
  'NaN',
  'Infinity',
]
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  2 ** 53,
  2 ** 53 - 1,
  '',
  'a',
  'a\n',
  '__proto__',
  'rejected-a',
  '\u0000',
  '\ud800',
  'A'.repeat(43),
  'A'.repeat(5000),
  '😀'.repeat(600),
  [],
  {},
  [[]],
  [null],
  { constructor: { prototype: {} } },
  [{}],
  ['a', 'a'],
  'a.b.c',
]
const DEEP_CHANCE = 400
const BLOW_UP_CHANCE = 1000
const BLOW_UP_BYTES = 60_000

/** A change of one sample, or a splice of two; at most `bytesMax` long. */
export function mutate(random: Random, samples: readonly Uint8Array[], bytesMax: number): Uint8Array {
  let input: Uint8Array = random.pick(samples)
  if (random.below(BLOW_UP_CHANCE) === 0) return blowUp(random, input).subarray(0, bytesMax)
  for (let rounds = 1 + random.below(random.below(4) + 1); rounds > 0; rounds--) {
    input = once(random, input, samples)
  }
  return input.subarray(0, bytesMax)
}

function once(random: Random, input: Uint8Array, samples: readonly Uint8Array[]): Uint8Array {
  const roll = random.below(10)
  if (roll < 2) return editJson(random, input, samples)
  if (roll < 4) return insideSegment(random, input, (inner) => once(random, inner, samples))
  return random.pick(BYTE_MUTATORS)(random, input, samples)
}

type Mutator = (random: Random, input: Uint8Array, samples: readonly Uint8Array[]) => Uint8Array

const BYTE_MUTATORS: readonly Mutator[] = [
  flipBit,
  setByte,
  (random, input) => insert(input, random.below(input.length + 1), Buffer.from([random.below(256)])),
  (random, input) => insert(input, random.below(input.length + 1), random.pick(TOKENS)),
  removeRange,
  (random, input) => insert(input, random.below(input.length + 1), someRange(random, input)),
  (random, input, samples) => splice(random, input, random.pick(samples)),
  (random, input) => input.subarray(0, random.below(input.length + 1)),
  editNumber,
  escapeByte,
]

function flipBit(random: Random, input: Uint8Array): Uint8Array {
  const changed = Buffer.from(input)
  const at = random.below(input.length)
  if (input.length > 0) changed[at] = (input[at] as number) ^ (1 << random.below(8))
  return changed
}

function setByte(random: Random, input: Uint8Array): Uint8Array {
  const changed = Buffer.from(input)
  if (input.length > 0) changed[random.below(input.length)] = random.below(256)
  return changed
}

function insert(input: Uint8Array, at: number, more: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, at), more, input.subarray(at)])
}

function someRange(random: Random, input: Uint8Array): Uint8Array {
  const from = random.below(input.length)
  return input.subarray(from, from + 1 + random.below(random.below(2) === 0 ? 8 : input.length - from))
}

function removeRange(random: Random, input: Uint8Array): Uint8Array {
  const from = random.below(input.length)
  const gone = someRange(random, input.subarray(from)).length
  return Buffer.concat([input.subarray(0, from), input.subarray(from + gone)])
}

function splice(random: Random, input: Uint8Array, other: Uint8Array): Uint8Array {
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ])
}

function editNumber(random: Random, input: Uint8Array): Uint8Array {
  const text = Buffer.from(input).toString('latin1')
  const found = [...text.matchAll(/-?\d+/g)]
  if (found.length === 0) return flipBit(random, input)
  const { index, 0: old } = random.pick(found)
  return Buffer.from(`${text.slice(0, index)}${random.pick(NUMBERS)}${text.slice(index + old.length)}`, 'latin1')
}

/** The same text in another spelling: a character as its JSON escape. */
function escapeByte(random: Random, input: Uint8Array): Uint8Array {
  const at = random.below(input.length)
  const code = input[at]
  if (code === undefined) return input
  const spelled = Buffer.from(`\\u${code.toString(16).padStart(4, '0')}`)
  return Buffer.concat([input.subarray(0, at), spelled, input.subarray(at + 1)])
}

/** One piece again and again: what a reader does in more than linear time, or without a bound of depth, shows here. */
function blowUp(random: Random, input: Uint8Array): Uint8Array {
  const piece = random.below(2) === 0 ? random.pick(TOKENS) : someRange(random, input)
  const many = Buffer.alloc(BLOW_UP_BYTES, piece.length > 0 ? piece : 'a')
  return random.below(2) === 0 ? many : insert(input, random.below(input.length + 1), many)
}

/** Changes a value somewhere in a JSON text. What is no JSON gets a flipped bit. */
function editJson(random: Random, input: Uint8Array, samples: readonly Uint8Array[]): Uint8Array {
  const root = jsonOf(input)
  if (typeof root !== 'object' || root === null) return flipBit(random, input)
  const places = placesIn(root)
  const { holder, name } = random.pick(places)
  const roll = random.below(6)
  if (roll === 0) remove(holder, name)
  else if (roll === 1) put(holder, name, random.pick(VALUES))
  else if (roll === 2) put(holder, random.pick(['__proto__', 'constructor', 'extra', name]), random.pick(VALUES))
  else if (roll === 3) {
    const from = random.pick(places)
    put(holder, name, from.holder[from.name])
  } else if (roll === 4) {
    const other = jsonOf(random.pick(samples))
    if (typeof other === 'object' && other !== null) {
      const from = random.pick(placesIn(other))
      put(holder, from.name, from.holder[from.name])
    }
  } else put(holder, name, nudge(random, holder[name]))
  return safeJson(root) ?? input
}

interface Place {
  readonly holder: Record<string, unknown>
  readonly name: string
}

function placesIn(value: object, found: Place[] = []): readonly Place[] {
  const holder = value as Record<string, unknown>
  for (const name of Object.keys(holder)) {
    found.push({ holder, name })
    const inner = holder[name]
    if (typeof inner === 'object' && inner !== null && found.length < 2000) placesIn(inner, found)
  }
  if (found.length === 0) found.push({ holder, name: 'extra' })
  return found
}

function nudge(random: Random, value: unknown): unknown {
  if (typeof value === 'number') return value + random.pick([-1, 1, 0.5, -value, 2 ** 53, 301, 3601])
  if (typeof value === 'string') {
    const text = textMutation(random, value)
    return random.below(2) === 0
      ? text
      : text.replace(/[A-Za-z]/, (letter) => String.fromCodePoint(letter.charCodeAt(0) ^ 32))
  }
  if (Array.isArray(value)) return random.below(2) === 0 ? [...value, ...value] : value.toReversed()
  if (typeof value === 'boolean') return !value
  return random.below(40) === 0 ? deep(random) : [value]
}

function textMutation(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const token = Buffer.from(random.pick(TOKENS)).toString('utf8')
  return `${text.slice(0, at)}${token}${text.slice(at + random.below(3))}`
}

function deep(random: Random): unknown {
  let value: unknown = 1
  for (let levels = random.below(DEEP_CHANCE); levels > 0; levels--) value = levels % 2 === 0 ? [value] : { a: value }
  return value
}

/** Assigning to `__proto__` would set the prototype of the mutator's own value: the member is defined instead. */
function put(holder: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true })
}

function remove(holder: Record<string, unknown>, name: string): void {
  if (Array.isArray(holder)) holder.splice(Number(name), 1)
  else delete holder[name]
}

function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString('utf8'))
  } catch {
    return undefined
  }
}

/** Undefined where a value holds itself. */
function safeJson(value: unknown): Uint8Array | undefined {
  try {
    return Buffer.from(JSON.stringify(value))
  } catch {
    return undefined
  }
}

const SEGMENT = /[A-Za-z0-9+/_-]{12,}/g

/** Decodes one base64 run of the text, changes what is inside, and writes it back in its canonical form: the outer checks pass. */
function insideSegment(random: Random, input: Uint8Array, change: (inner: Uint8Array) => Uint8Array): Uint8Array {
  const text = Buffer.from(input).toString('latin1')
  const found = [...text.matchAll(SEGMENT)]
  if (found.length === 0) return flipBit(random, input)
  const { index, 0: segment } = random.pick(found)
  const encoding = /[+/]/.test(segment) ? 'base64' : 'base64url'
  const changed = Buffer.from(change(Buffer.from(segment, encoding))).toString(encoding)
  return Buffer.from(`${text.slice(0, index)}${changed}${text.slice(index + segment.length)}`, 'latin1')
}
