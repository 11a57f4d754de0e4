import { Fault } from '@writ/contracts'
import { ephemeralSigner, signJws } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createLogger } from './logger.ts'
import { redact, redactText } from './redact.ts'
import { traced } from './trace-context.ts'

const jws = await signJws(ephemeralSigner(), 'writ-intent+jwt', { on_behalf_of: 'jane' })
const seed = `SU${'A'.repeat(56)}`

function logged(write: (log: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = []
  write(
    createLogger({ service: 's', instance: 's-0', level: 'trace', destination: { write: (line) => lines.push(line) } }),
  )
  return lines
}

describe('a log never holds', () => {
  test.each([
    ['a signed message in a member', { jws }],
    ['a signed message in text', { what: `got ${jws} from there` }],
    ['a signed message deep inside', { a: [{ b: { c: jws } }] }],
    ['a signed message in an error', { err: new Error(jws) }],
    ['a signed message in a cause', { err: new Fault('internal', { message: 'x', cause: new Error(jws) }) }],
    ['a token by name', { token: 'opaque-value', password: 'opaque-value', Authorization: 'opaque-value' }],
    ['a private key by name', { jwk: { d: 'opaque-value' } }],
    ['a NATS seed', { text: seed }],
    ['a PEM key', { text: `-----BEGIN PRIVATE KEY-----\nopaque-value\n-----END PRIVATE KEY-----` }],
    ['the credentials file', { text: `-----BEGIN NATS USER JWT-----\n${jws}\n------END NATS USER JWT------\n${seed}` }],
    ['raw bytes', { bytes: Buffer.from('opaque-value') }],
    ['a user', { user: 'opaque-value', on_behalf_of: 'opaque-value' }],
  ])('%s', (_, fields) => {
    const lines = logged((log) => log.info(fields, 'message'))
    expect(lines).toHaveLength(1)
    for (const secret of [jws.split('.')[1], jws.split('.')[2], seed, 'opaque-value'])
      expect(lines[0]).not.toContain(secret)
  })

  test('a signed message in the message text, its arguments or the bindings of a child', () => {
    const lines = logged((log) => {
      log.warn(`refused ${jws}`)
      log.warn('refused %s', jws)
      log.child({ request: jws }).warn('refused')
    })
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(line).not.toContain(jws.split('.')[1])
  })

  test('what a schema error quotes', () => {
    const error = z.object({ name: z.enum(['a', 'b']) }).safeParse({ name: 'opaque-value' }).error
    const [line] = logged((log) => log.info({ err: error }, 'x'))
    expect(line).not.toContain('opaque-value')
    expect(line).toContain('"paths":["name"]')
  })

  test('lines, colours or directions that a sender chose', () => {
    const lines = logged((log) => log.info({ id: 'a\n{"level":"fatal"}\u001b[31m\u009b1m\u202e' }, 'b\r\nc'))
    expect(lines).toHaveLength(1)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
    expect(lines[0]?.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]|\\u001b|\\n|\\r/)
  })
})

test('ids, codes, digests and the reason of a fault stay readable', () => {
  const fault = new Fault('unavailable', {
    message: 'The disk is full.',
    cause: Object.assign(new Error('x'), { code: 'ENOSPC' }),
  })
  const [line] = logged((log) => log.warn({ token_id: 't1', digest: 'A'.repeat(43), err: fault }, 'not kept'))
  expect(JSON.parse(line ?? '')).toMatchObject({
    level: 'warn',
    service: 's',
    instance: 's-0',
    token_id: 't1',
    digest: 'A'.repeat(43),
    err: { code: 'unavailable', message: 'The disk is full.', cause: { code: 'ENOSPC' } },
    msg: 'not kept',
  })
})

test('a log line carries the trace it belongs to, and the span is our own', async () => {
  const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
  const [line] = await traced('a test', { parent: trace }, async () => {
    await Promise.resolve()
    return logged((log) => log.info('x'))
  })
  const { trace_id, span_id } = JSON.parse(line ?? '') as Record<string, string>
  expect(trace_id).toBe('a'.repeat(32))
  expect(span_id).toMatch(/^[0-9a-f]{16}$/)
  expect(span_id).not.toBe('b'.repeat(16))
})

test('what is logged is bounded, also when it refers to itself', () => {
  const loop: Record<string, unknown> = {}
  loop['loop'] = loop
  const huge = { loop, list: Array.from({ length: 10_000 }, () => 'x'.repeat(100)), text: 'y'.repeat(1e6) }
  expect(JSON.stringify(redact(huge)).length).toBeLessThan(20_000)
  expect(redactText('z'.repeat(1e6)).length).toBeLessThan(3000)
})
