import { Fault } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { withAdvice } from './advice.ts'
import { output, type Streams } from './output.ts'
import { styled } from './terminal/style.ts'

const ESC = '\u{1b}'

function written(json: boolean, tty: boolean, env: Streams['env'] = {}) {
  const texts = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({
    isTTY: tty,
    columns: 40,
    write: (text: string) => {
      texts[name] += text
    },
  })
  return { texts, out: output(json, { out: sink('out'), err: sink('err'), env }) }
}

const table = { columns: [{ title: 'ID' }], rows: [[styled('green', 'a')]], none: 'No one.' }

describe('for people', () => {
  test('has colours on a terminal, and none in a file or where NO_COLOR says so', () => {
    for (const [tty, env, coloured] of [
      [true, {}, true],
      [true, { NO_COLOR: '1' }, false],
      [true, { NO_COLOR: '' }, true],
      [true, { TERM: 'dumb' }, false],
      [false, {}, false],
    ] as const) {
      const { texts, out } = written(false, tty, env)
      out.table({ ok: true }, table)
      expect([tty, env, texts.out.includes(ESC)]).toEqual([tty, env, coloured])
    }
  })
  test('an empty table is a sentence', () => {
    const { texts, out } = written(false, false)
    out.table({ items: [] }, { ...table, rows: [] })
    expect(texts.out).toBe('No one.\n')
  })
  test('an error goes to stderr, with what to do next', () => {
    const { texts, out } = written(false, false)
    out.error(new Fault('unavailable', { message: 'It does not answer.' }))
    expect(texts).toEqual({
      out: '',
      err: expect.stringMatching(/^writ: unavailable: It does not answer\.\n {2}\S.*doctor/),
    })
    out.error(withAdvice(new Fault('malformed', { message: 'No.' }), 'Do this.'))
    expect(texts.err).toMatch(/writ: malformed: No\.\n {2}Do this\.\n$/)
  })
  test('a warning goes to stderr, beside the result; with --json the result has it', () => {
    const { texts, out } = written(false, false)
    out.warn('No device is in the group x.')
    expect(texts).toEqual({ out: '', err: 'writ: warning: No device is in the group x.\n' })
    const quiet = written(true, false)
    quiet.out.warn('No device is in the group x.')
    expect(quiet.texts).toEqual({ out: '', err: '' })
  })
  test('an error with control characters is only shown', () => {
    const { texts, out } = written(false, true)
    out.error(new Error(`x${ESC}]0;owned\u{7}`))
    expect(texts.err).toContain('x\\u{1b}]0;owned\\u{7}')
  })
})

describe('with --json', () => {
  test('stdout has the documents and nothing else', () => {
    const { texts, out } = written(true, true)
    out.note('working …')
    out.progress('50 %')
    out.item({ n: 1 }, 'one')
    out.item({ n: 2 }, 'two')
    out.progress()
    expect(texts).toEqual({ out: '{"n":1}\n{"n":2}\n', err: '' })
  })
  test('an error is a document on stderr', () => {
    const { texts, out } = written(true, false)
    out.error(new Fault('wrong_version', { message: 'The next version is 2.' }))
    expect(JSON.parse(texts.err)).toMatchObject({ ok: false, code: 'wrong_version', next: expect.any(String) })
  })
})
