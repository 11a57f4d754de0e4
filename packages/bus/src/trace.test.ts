import { expect, test } from 'vitest'
import { childTrace, newTrace, traceOf } from './trace.ts'
import { parseHeaders } from './wire-headers.ts'

const block = (...lines: string[]): string => `${['NATS/1.0', ...lines].join('\r\n')}\r\n\r\n`
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

test('a child keeps the trace and its state and has a span of its own', () => {
  const parent = { ...newTrace(), tracestate: 'a=1' }
  const child = childTrace(parent)
  expect(child.traceparent.slice(0, 36)).toBe(parent.traceparent.slice(0, 36))
  expect(child.traceparent).not.toBe(parent.traceparent)
  expect(child.tracestate).toBe('a=1')
  expect(traceOf(parseHeaders(block(`traceparent: ${child.traceparent}`)))).toEqual({ traceparent: child.traceparent })
})

test.each([
  ['a version that is not ours', PARENT.replace('00-', 'ff-')],
  ['a trace of zeros', PARENT.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32))],
  ['upper case', PARENT.toUpperCase()],
  ['more after it', `${PARENT}-x`],
  ['a line break inside', PARENT.replace('-01', '-0\n')],
])('a traceparent with %s is as if it were not there', (_, traceparent) => {
  expect(traceOf(parseHeaders(block(`traceparent: ${traceparent}`)))).toBeUndefined()
})

test('two traceparents are none', () => {
  expect(traceOf(parseHeaders(block(`traceparent: ${PARENT}`, `traceparent: ${PARENT}`)))).toBeUndefined()
})

test('a tracestate above 512 bytes or with control characters is left out', () => {
  for (const tracestate of ['x'.repeat(513), 'a=\u00011'])
    expect(traceOf(parseHeaders(block(`traceparent: ${PARENT}`, `tracestate: ${tracestate}`)))).toEqual({
      traceparent: PARENT,
    })
})

test('a stored message cannot pass itself off as the server’s word that there is none', () => {
  const headers = parseHeaders('NATS/1.0 404 Message Not Found\r\nNats-Sequence: 1\r\nNats-Sequence: 7\r\n\r\n')
  expect([headers.status, headers.last('Nats-Sequence')]).toEqual([undefined, '7'])
})
