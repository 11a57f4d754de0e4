import { Fault, type ReasonCode } from '@writ/contracts'
import fc from 'fast-check'
import { bytes, type Format, format, REFUSED, textOf } from './format.ts'

/** A reader of `key=value` that keeps every promise: each broken one differs from it in one thing. */
type Pair = readonly [key: string, value: string]
const LINE = /^([a-z_]{1,20})=([a-z0-9]{0,40})$/

function readPair(input: Uint8Array): Pair {
  const [, key, value] = LINE.exec(Buffer.from(input).toString('latin1')) ?? []
  if (key === undefined || value === undefined) throw new Fault('malformed', { message: 'Not a pair.' })
  return [key, value]
}

const good = {
  samples: ['name=value', 'a=1'].map(bytes),
  garbage: fc
    .tuple(fc.constantFrom('a', '__proto__', ''), fc.string({ maxLength: 6 }))
    .map(([key, value]) => bytes(`${key}=${value}`)),
  read: readPair,
  write: ([key, value]: Pair) => bytes(`${key}=${value}`),
  oneForm: true,
} satisfies Omit<Format<Pair>, 'name'>

const kept: Uint8Array[] = []

/** Readers with one deliberate mistake each, by the promise that they break; `none` breaks none. */
export const BROKEN: Readonly<Record<string, () => Format>> = {
  none: () => format<Pair>({ name: 'none', ...good }),
  'takes-samples': () => format<Pair>({ name: 'takes-samples', ...good, samples: [bytes('no pair')] }),
  'only-faults': () =>
    format<Pair>({
      name: 'only-faults',
      ...good,
      read: (input) => {
        if (input.length > 30) throw new TypeError('Cannot read properties of undefined.')
        return readPair(input)
      },
    }),
  'closed-codes': () =>
    format<Pair>({
      name: 'closed-codes',
      ...good,
      read: (input) => {
        if (input[0] === 0x5f) throw new Fault('odd' as ReasonCode, { message: 'A code of its own.' })
        return readPair(input)
      },
    }),
  'in-time': () =>
    format<Pair>({
      name: 'in-time',
      ...good,
      bytesMax: 32 * 1024,
      // Quadratic: each byte is looked at once for each byte before it.
      read: (input) => {
        let sum = 0
        for (let at = 0; at < input.length; at++) for (let back = 0; back < at; back++) sum += input[back] as number
        return sum < 0 ? ['', ''] : readPair(input)
      },
    }),
  hang: () =>
    format<Pair>({
      name: 'hang',
      ...good,
      read: (input) => {
        while (input.length > 30) kept.length = 0
        return readPair(input)
      },
    }),
  'in-memory': () =>
    format<Pair>({
      name: 'in-memory',
      ...good,
      read: (input) => {
        kept.push(Buffer.alloc(16 * 1024))
        return readPair(input)
      },
    }),
  bomb: () =>
    format<Pair>({
      name: 'bomb',
      ...good,
      read: (input) => {
        const heap: unknown[] = []
        while (input.length > 30) heap.push({ length: heap.length })
        return readPair(input)
      },
    }),
  'no-pollution': () =>
    format<Pair>({
      name: 'no-pollution',
      ...good,
      read: (input) => {
        const [key, value] = readPair(input)
        const target: Record<string, Record<string, string>> = {}
        // The classic: a member of the prototype is taken for one of the object's own.
        const inner = target[key] ?? {}
        inner['polluted'] = value
        target[key] = inner
        return [key, value]
      },
    }),
  prototype: () =>
    format<object>({
      name: 'prototype',
      ...good,
      write: () => undefined,
      oneForm: false,
      read: (input) => {
        const [key, value] = readPair(input)
        const made: Record<string, unknown> = {}
        made[key] = { value }
        return made
      },
    }),
  genuine: () =>
    format<Pair>({
      name: 'genuine',
      ...good,
      write: () => undefined,
      genuine: true,
    }),
  'round-trip': () =>
    format<Pair>({
      name: 'round-trip',
      ...good,
      oneForm: false,
      write: ([key, value]) => bytes(`${key}=${value.slice(0, 8)}`),
    }),
  'one-form': () => format<Pair>({ name: 'one-form', ...good, read: (input) => readPair(bytes(textOf(input).trim())) }),
  sound: () =>
    format<Pair>({
      name: 'sound',
      ...good,
      read: (input) => (input[0] === 0x5f ? REFUSED : readPair(input)),
      check: ([, value]) => (value === '' ? 'A value is empty.' : undefined),
    }),
  'changes-input': () =>
    format<Pair>({
      name: 'changes-input',
      ...good,
      read: (input) => {
        const pair = readPair(input)
        if (input.length > 12) input[0] = 0x62
        return pair
      },
    }),
}
