import { jsonSha256 } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { ActionFailed } from '../action.ts'
import { failureReason, signedResult } from './action-result.ts'

describe('a result', () => {
  test('is hashed as it is signed, after redaction', () => {
    expect(signedResult({ b: 1, a: 2 }, ['/b'])).toEqual({ result: { a: 2 }, result_sha256: jsonSha256({ a: 2 }) })
    expect(signedResult(undefined, ['/b'])).toBeUndefined()
  })

  test('may be 8 KiB in RFC 8785 form and not a byte more', () => {
    const room = 8192 - '{"t":""}'.length
    expect(signedResult({ t: 'x'.repeat(room) }, [])).toBeDefined()
    expect(() => signedResult({ t: 'x'.repeat(room + 1) }, [])).toThrow('8192')
    expect(() => signedResult({ t: 'ü'.repeat(room / 2 + 1) }, [])).toThrow('8192')
    expect(signedResult({ keep: 1, drop: 'x'.repeat(9000) }, ['/drop'])).toMatchObject({ result: { keep: 1 } })
  })

  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  test.each([
    ['null', null],
    ['an array', [1]],
    ['a text', 'x'],
    ['a number above what JSON can carry', { n: 2 ** 53 }],
    ['a lone surrogate', { s: '\ud800' }],
    ['a bigint', { n: 1n }],
    ['a circle', circular],
    ['what would reach a prototype', JSON.parse('{"__proto__": 1}')],
  ])('that is %s is a failure', (_, returned: unknown) => {
    expect(() => signedResult(returned, [])).toThrow('no JSON object')
  })
})

describe('a failure', () => {
  test.each([
    ['any error', new Error('password=hunter2')],
    ['a text', 'password=hunter2'],
    ['a sentence with control characters', new ActionFailed('\u001b[31mhunter2')],
    ['an endless sentence', new ActionFailed('hunter2'.repeat(1000))],
    ['an empty one', new ActionFailed('')],
  ])('%s tells the agent nothing', (_, error: unknown) => {
    const { code, message } = failureReason(error)
    expect(code).toBe('action_failed')
    expect(message).not.toContain('hunter2')
    expect(message.length).toBeGreaterThan(0)
  })

  test('the sentence that was meant for the agent is told', () => {
    expect(failureReason(new ActionFailed('The drive did not come back.')).message).toBe('The drive did not come back.')
  })
})
