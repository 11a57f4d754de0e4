import { expect, test } from 'vitest'
import { readTracingConfig } from './index.ts'

const at = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

test('traces are off without an endpoint, and where they are switched off', () => {
  expect(readTracingConfig({})).toBeUndefined()
  expect(readTracingConfig({ OTEL_TRACES_SAMPLER: 'always_on', OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBeUndefined()
  expect(readTracingConfig({ ...at, OTEL_SDK_DISABLED: 'true' })).toBeUndefined()
  expect(readTracingConfig({ ...at, OTEL_TRACES_EXPORTER: 'none' })).toBeUndefined()
})

test('the endpoint is a base address, that of traces is taken as it is', () => {
  expect(readTracingConfig(at)?.url).toBe('http://collector:4318/v1/traces')
  expect(readTracingConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp/' })?.url).toBe('https://c/otlp/v1/traces')
  expect(readTracingConfig({ ...at, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t/x' })?.url).toBe('https://t/x')
})

test('the standard variables say the rest', () => {
  const read = readTracingConfig({
    ...at,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x==',
    OTEL_EXPORTER_OTLP_TIMEOUT: '3000',
    OTEL_SERVICE_NAME: 'mine',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=plant%201, broken, team = a',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_SCHEDULE_DELAY: '250',
  })
  expect(read).toEqual({
    url: 'http://collector:4318/v1/traces',
    headers: { authorization: 'Bearer x==' },
    sampler: 'parentbased_traceidratio',
    ratio: 0.25,
    serviceName: 'mine',
    attributes: { 'deployment.environment.name': 'plant 1', team: 'a' },
    queueMax: 100,
    batchMax: 100,
    delayMs: 250,
    timeoutMs: 3000,
  })
})

test.each([
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_TRACES_SAMPLER', 'sometimes'],
  ['OTEL_BSP_MAX_QUEUE_SIZE', 'many'],
])('a wrong %s is named, and its value is not', (name, value) => {
  const read = () => readTracingConfig({ ...at, [name]: value })
  expect(read).toThrow(name)
  expect(read).not.toThrow(new RegExp(`\\b${value}\\b`))
})
