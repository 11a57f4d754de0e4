import { expect, test } from 'vitest'
import { readConfig } from './config.ts'

const ENV = {
  WRIT_ENROLMENT: '/etc/writ/enrolment.json',
  WRIT_STATE_DIR: '/var/lib/writ',
  WRIT_ANCHOR_KEY: 'file:/etc/writ/anchor.jwk',
  WRIT_STORE: 's3://evidence/plane-1',
  WRIT_LOG_KEY: 'kms:alias/writ-log',
  WRIT_LOG_DOMAIN: 'audit.example',
  WRIT_NATS_MONITOR: 'http://127.0.0.1:8222',
}

test('evidence is kept as long as the EU AI Act asks, unless told otherwise', () => {
  expect(readConfig(ENV)).toMatchObject({ retentionRegime: 'eu-ai-act', retentionDays: 190 })
  expect(readConfig({ ...ENV, WRIT_RETENTION_REGIME: 'sec-17a-4' })).toMatchObject({ retentionDays: 2284 })
  expect(readConfig({ ...ENV, WRIT_RETENTION_REGIME: 'custom', WRIT_RETENTION_DAYS: '30' })).toMatchObject({
    retentionDays: 30,
  })
})

test.each([
  [{ WRIT_RETENTION_DAYS: '30' }, /at least 190 days/],
  [{ WRIT_RETENTION_REGIME: 'sec-17a-4', WRIT_RETENTION_DAYS: '190' }, /at least 2192 days/],
  [{ WRIT_RETENTION_REGIME: 'custom' }, /WRIT_RETENTION_DAYS must be set/],
  [{ WRIT_RETENTION_REGIME: 'forever' }, /WRIT_RETENTION_REGIME/],
  [{ WRIT_RETENTION_DAYS: '0' }, /WRIT_RETENTION_DAYS/],
])('refuses %j before anything is written', (changes, reason) => {
  expect(() => readConfig({ ...ENV, ...changes })).toThrow(
    expect.objectContaining({ code: 'malformed', message: expect.stringMatching(reason) }),
  )
})
