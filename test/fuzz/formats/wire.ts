import { isIP } from 'node:net'
import { readTracingConfig } from '@writ/tracing'
import fc from 'fast-check'
import { parseJson } from '../../../packages/bus/src/store.ts'
import { gotOf } from '../../../packages/bus/src/stored.ts'
import { traceOf } from '../../../packages/bus/src/trace.ts'
import { parseHeaders } from '../../../packages/bus/src/wire-headers.ts'
import { parseMetrics, type Sample } from '../../../packages/cli/src/status/read-metrics.ts'
import {
  decodeFileHeader,
  decodeFrameHeader,
  decodePayload,
  encodeFileHeader,
  encodeFrame,
  FILE_HEADER_BYTES,
  FRAME_HEADER_BYTES,
} from '../../../packages/durable/src/frame.ts'
import { within } from '../../../packages/gateway-sdk/src/core/bind.ts'
import { bytes, type Format, format, jsonBytes, orRefused, REFUSED, textOf } from '../format.ts'
import { anyJson, anyText } from './json.ts'

const BLOCK = [
  'NATS/1.0',
  'Nats-Stream: CONTROL',
  'Nats-Subject: writ.v1.r.control.root',
  'Nats-Sequence: 12',
  'Nats-Last-Sequence: 11',
  'Nats-Time-Stamp: 2026-11-24T10:00:00Z',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'tracestate: a=b,c=d',
  '',
  '',
].join('\r\n')

/** Header blocks of messages, down to what a reader makes of a stored message and its trace. */
export const headers = (): Format =>
  format({
    name: 'nats-headers',
    samples: [bytes(BLOCK), bytes(BLOCK.replace('NATS/1.0', 'NATS/1.0 404 No Messages'))],
    garbage: fc
      .array(
        fc.tuple(
          fc.constantFrom('NATS/1.0 ', 'Nats-Sequence:', 'Nats-Subject:', 'tracestate:', 'traceparent:', '', 'x'),
          anyText(12),
        ),
        { maxLength: 6 },
      )
      .map((fields) => bytes(`NATS/1.0${fields.map(([name, value]) => `${name}${value}`).join('\r\n')}`)),
    read: (input) => {
      const read = parseHeaders(textOf(input))
      const trace = traceOf(read)
      const got = gotOf('CONTROL', { message: { data: input, subject: '' }, headers: read } as never)
      if (got.kind !== 'message') return REFUSED
      return {
        seq: got.stored.seq,
        subject: got.stored.subject,
        time: got.stored.timeMs,
        previous: got.previousSeq,
        trace,
      }
    },
    check: ({ seq, previous, trace }) => {
      if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(previous ?? 0))
        return 'A sequence that is no whole number.'
      return (trace?.traceparent.length ?? 55) === 55 && (trace?.tracestate?.length ?? 0) <= 512
        ? undefined
        : 'A trace that is larger than its bounds.'
    },
  })

/** JetStream's answers. */
export const busAnswer = (): Format =>
  format<object>({
    name: 'jetstream-answer',
    samples: [
      jsonBytes({ type: 'x', stream: 'INTENTS', seq: 4 }),
      jsonBytes({ error: { code: 400, err_code: 10071, description: 'wrong last sequence: 3' } }),
    ],
    garbage: anyJson.map(jsonBytes),
    read: (input) => parseJson(input),
    check: (value) => (Array.isArray(value) ? 'An array passed for an object.' : undefined),
  })

const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom('fe80::1%eth0', '::ffff:10.0.0.1', '10.0.0.01', '::', '0', ''),
)

/** Networks that a token is bound to, and the addresses that gateways report. */
export const network = (): Format =>
  format({
    name: 'network',
    samples: ['10.0.0.0/8 10.1.2.3', 'fd00::/8 fd00::1', '::1 ::1', '192.168.1.0/24 192.168.1.77'].map(bytes),
    garbage: fc
      .tuple(address, fc.option(fc.integer({ min: -1, max: 140 })), address)
      .map(([net, prefix, at]) => bytes(`${net}${prefix === null ? '' : `/${prefix}`} ${at}`)),
    read: (input) => {
      const [cidr = '', at = ''] = textOf(input).split(' ', 2)
      return within(cidr, at) ? { cidr, at } : REFUSED
    },
    check: ({ cidr, at }) => {
      if (isIP(at) === 0) return 'Held what is no address.'
      return within(`${cidr.split('/')[0]}`, at) || cidr.includes('/') ? undefined : 'A single address holds another.'
    },
  })

/** The pages of metrics that `writ status` reads. */
export const metrics = (): Format =>
  format<readonly Sample[]>({
    name: 'metrics-page',
    samples: [bytes('# HELP x y\nwrit_up 1\nwrit_n{code="a\\"b",region="r"} 1.5e3 1700000000\nwrit_inf +Inf\n')],
    garbage: fc.array(anyText(12), { maxLength: 6 }).map((parts) => bytes(`a{${parts.join('"')}} 1\n`)),
    read: (input) => parseMetrics(textOf(input)),
    check: (samples) =>
      samples.every(({ name, value }) => /^[a-zA-Z_:]/.test(name) && typeof value === 'number')
        ? undefined
        : 'A sample without a name.',
  })

const SALT = Buffer.alloc(16, 7)
const SEED = decodeFileHeader(encodeFileHeader(SALT)) ?? 0

/** Journals: a file header and a frame, as they are recovered after a crash. */
export const journal = (): Format =>
  format<readonly Uint8Array[]>({
    name: 'journal-frame',
    samples: [
      [bytes('one'), bytes('two')],
      [bytes(''), Buffer.alloc(300, 1)],
    ].map((records) => Buffer.concat([encodeFileHeader(SALT), encodeFrame(SEED, 0, records)])),
    garbage: fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 4 }).map((records) => {
      const frame = encodeFrame(SEED, 0, records)
      return Buffer.concat([encodeFileHeader(SALT), frame.subarray(0, frame.length - (records.length % 2))])
    }),
    read: (input) => {
      const file = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
      const seed = decodeFileHeader(file)
      const frame = file.subarray(FILE_HEADER_BYTES)
      const header = seed === undefined ? undefined : decodeFrameHeader(seed, frame)
      if (seed === undefined || header === undefined) return REFUSED
      const payload = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.payloadBytes)
      return header.number === 0 ? orRefused(decodePayload(seed, header, payload)) : REFUSED
    },
    write: (records) => Buffer.concat([encodeFileHeader(SALT), encodeFrame(SEED, 0, records)]),
  })

/** The variables of OpenTelemetry. */
export const tracing = (): Format => {
  const sample = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=b%20c,d=e',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
  }
  return format<object>({
    name: 'tracing-variables',
    samples: [jsonBytes(sample)],
    garbage: fc.dictionary(fc.constantFrom(...Object.keys(sample)), fc.string({ maxLength: 9 })).map(jsonBytes),
    read: (input) => {
      const env = variablesOf(input)
      return env === undefined ? REFUSED : orRefused(readTracingConfig(env))
    },
  })
}

function variablesOf(input: Uint8Array): Readonly<Record<string, string>> | undefined {
  try {
    const entries = Object.entries(Object(JSON.parse(textOf(input))) as object)
    return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
  } catch {
    return undefined
  }
}
