import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { displayWidth, shortened } from './display-width.ts'
import { printable } from './printable.ts'
import { render, styled } from './style.ts'
import { tableLines } from './table.ts'

const ESC = '\u{1b}'
const HOSTILE = `press-07${ESC}[2K${ESC}]0;owned\u{7}\r\u{9b}31m\n\u{202e}evil`
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

describe('text from anywhere', () => {
  test('is only shown by a terminal, never obeyed', () => {
    expect(printable(HOSTILE)).toBe('press-07\\u{1b}[2K\\u{1b}]0;owned\\u{7}\\u{d}\\u{9b}31m\\n\\u{202e}evil')
    expect(printable('\u{ad}\u{200b}\u{feff}\u{e0041}\ud800')).toBe('\\u{ad}\\u{200b}\\u{feff}\\u{e0041}\\u{d800}')
  })
  test('keeps what people write', () => {
    for (const text of ['Anna Müller', 'プレス', '👩‍🔧 ok', 'می‌خواهم', '“quoted” – …'])
      expect(printable(text)).toBe(text)
  })
  test('whatever it is, holds nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => !OBEYED.test(printable(text))),
      { seed: 7, numRuns: 2000 },
    )
  })
})

describe('a line', () => {
  test('has colours only where they are wanted, and none but its own', () => {
    const line = ['state ', styled('red', `down${ESC}[32m`)]
    expect(render(line, true)).toBe(`state ${ESC}[31mdown\\u{1b}[32m${ESC}[0m`)
    expect(render(line, false)).toBe('state down\\u{1b}[32m')
  })
})

describe('a table', () => {
  const columns = [{ title: 'ID' }, { title: 'N', align: 'right' as const }, { title: 'TEXT', shrinks: true }]
  const rows = [
    [styled('bold', 'プレス'), '7', 'a long text that goes on'],
    ['b', '1234', 'x'],
  ]
  const shown = (cellsMax?: number) => tableLines(columns, rows, cellsMax).map((line) => render(line, false))

  test('is aligned, by what a terminal shows and not by bytes', () => {
    expect(shown()).toEqual(['ID         N  TEXT', 'プレス     7  a long text that goes on', 'b       1234  x'])
  })
  test('fits the terminal by cutting the columns that may be cut', () => {
    expect(shown(28)).toEqual(['ID         N  TEXT', 'プレス     7  a long text t…', 'b       1234  x'])
    for (const line of shown(28)) expect(displayWidth(line)).toBeLessThanOrEqual(28)
  })
  test('cuts no column below what can be read', () => {
    expect(shown(5)[1]).toBe('プレス     7  a long…')
  })
  test('stays aligned with hostile cells, and shows them', () => {
    const [, row] = tableLines([{ title: 'ID' }, { title: 'X' }], [[HOSTILE, 'y']]).map((line) => render(line, true))
    expect(row).toBe(`${printable(HOSTILE)}  y`)
  })
  test('never cuts a wide character in two', () => {
    expect(shortened('プレス機械', 6)).toBe('プレ…')
    expect(displayWidth(shortened('プレス機械', 6))).toBeLessThanOrEqual(6)
  })
})
