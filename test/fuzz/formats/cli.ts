import fc from 'fast-check'
import { instantOf } from '../../../packages/cli/src/commands/audit-instant.ts'
import { list, wholeNumber } from '../../../packages/cli/src/options.ts'
import { buildProgram } from '../../../packages/cli/src/program.ts'
import { printable, printableJson } from '../../../packages/cli/src/terminal/printable.ts'
import { bytes, type Format, format, textOf } from '../format.ts'
import { anyJson, anyText } from './json.ts'

const NOW_MS = Date.UTC(2026, 10, 24, 12)

/** How commander says no: the usage error of exit code 2. */
function usage(error: unknown): string | undefined {
  const { code } = Object(error) as { readonly code?: unknown }
  return typeof code === 'string' && code.startsWith('commander.') ? 'usage' : undefined
}

/** `--since`, `--until`: instants and durations. */
export const instant = (): Format =>
  format<{ readonly text: string; readonly at: number }>({
    name: 'cli-instant',
    samples: ['2026-11-24', '2026-11-24T22:00', '2026-11-24T22:00:05.123+02:00', '30m', '7d', '2024-02-29T00:00Z'].map(
      bytes,
    ),
    garbage: fc.oneof(
      fc.tuple(fc.nat(2_000_000), fc.constantFrom('s', 'm', 'h', 'd', 'w', '')).map((parts) => bytes(parts.join(''))),
      fc
        .tuple(fc.nat(9999), fc.nat(14), fc.nat(33))
        .map((parts) => bytes(parts.map((part) => String(part).padStart(2, '0')).join('-'))),
      fc.string({ maxLength: 12 }).map(bytes),
    ),
    refusalOf: usage,
    read: (input) => ({ text: textOf(input), at: instantOf(textOf(input), NOW_MS, false) }),
    meaning: ({ at }) => at,
    write: ({ at }) => (at >= 0 && at < Date.UTC(9999, 0) ? bytes(new Date(at).toISOString()) : undefined),
    check: ({ text, at }) => {
      if (!Number.isSafeInteger(at)) return 'Not a number of milliseconds.'
      const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(at).toISOString().slice(0, 10) : text
      return day === text ? undefined : `Taken for another day: ${day}.`
    },
  })

export const numbers = (): Format =>
  format<number>({
    name: 'cli-number',
    samples: ['0', '7', '999999999999999'].map(bytes),
    garbage: fc.oneof(fc.string({ maxLength: 8 }), fc.double().map(String)).map(bytes),
    refusalOf: usage,
    read: (input) => wholeNumber(textOf(input)),
    write: (value) => bytes(String(value)),
    check: (value) => (Number.isSafeInteger(value) && value >= 0 ? undefined : 'Not a whole number.'),
  })

export const lists = (): Format =>
  format<readonly string[]>({
    name: 'cli-list',
    samples: ['a,b', ' a , ,b,'].map(bytes),
    garbage: anyText(20).map(bytes),
    read: (input) => list(textOf(input)),
    write: (items) => bytes(items.join(',')),
    check: (items) => (items.some((item) => item === '' || item.includes(',')) ? 'An empty entry.' : undefined),
  })

const WORDS = [
  'agent',
  'create',
  'device',
  'gateway',
  'approver',
  'operator',
  'key',
  'intent',
  'submit',
  'watch',
  'token',
  'list',
  'policy',
  'eval',
  'audit',
  'verify',
  'revoke',
  'suspend',
  'context',
  'add',
  'use',
  'status',
  'doctor',
  'help',
  '--json',
  '--home',
  '.writ',
  '--context',
  '--reason',
  '--limit',
  '10',
  '--since',
  '2h',
  '--help',
  '-V',
  '--',
  '-',
  '--limit=1e9',
  '--__proto__',
  '--constructor=x',
  'a1',
  '--cosign',
  'a,b',
  '',
]

/** Command lines, parsed as far as the command's own work. */
export const commandLine = (): Format => {
  let called = 0
  const quiet = { write: () => true }
  const program = buildProgram(() => async () => void called++, { out: quiet, err: quiet }, true)
  return format<number>({
    name: 'cli-arguments',
    samples: ['status\0--json', 'agent\0list', 'audit\0verify\0--json', 'policy\0history'].map(bytes),
    garbage: fc
      .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 6 })), { maxLength: 7 })
      .map((words) => bytes(words.join('\0'))),
    bytesMax: 4096,
    refusalOf: usage,
    read: async (input) => {
      const before = called
      await program.parseAsync(textOf(input).split('\0'), { from: 'user' })
      return called - before
    },
    check: (times) => (times <= 1 ? undefined : `${times} commands ran.`),
  })
}

const HOSTILE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u{202a}-\u{202e}\u{2066}-\u{2069}\u{feff}]/u

/** Text from anywhere, as a terminal shows it. */
export const terminal = (): Format =>
  format<{ readonly text: string; readonly line: string; readonly json: string }>({
    name: 'terminal-text',
    samples: [bytes('plain'), bytes('\u001b[31mred\u001b[0m\n\u202egnp.exe')],
    garbage: fc.oneof(
      anyText(10).map(bytes),
      anyJson.map((value) => bytes(JSON.stringify(value))),
    ),
    read: (input) => {
      const text = Buffer.from(input).toString('utf16le') + textOf(input)
      return { text, line: printable(text), json: printableJson([text]) }
    },
    check: ({ text, line, json }) => {
      if (HOSTILE.test(line) || HOSTILE.test(json)) return 'A terminal would obey it.'
      return (JSON.parse(json) as [string])[0] === text ? undefined : 'The JSON is another value.'
    },
  })
