import type { Fault } from '@writ/contracts'
import { expect, test } from 'vitest'
import { readCommonConfig } from './read-env.ts'

const least = { WRIT_ENROLMENT: '/e.json', WRIT_STATE_DIR: '/s', WRIT_ANCHOR_KEY: 'file:/a' }
const message = (env: Record<string, string>) => {
  try {
    readCommonConfig(env)
    return 'accepted'
  } catch (error) {
    return (error as Fault).message
  }
}

test('what is absent has the documented meaning, and an empty variable is absent', () => {
  expect(readCommonConfig({ ...least, WRIT_NATS_MONITOR: 'http://127.0.0.1:8222', WRIT_LOG_LEVEL: '' })).toEqual({
    enrolmentFile: '/e.json',
    stateDir: '/s',
    anchorKey: 'file:/a',
    healthPort: 0,
    healthHost: '127.0.0.1',
    logLevel: 'info',
    mode: 'production',
    natsMonitor: 'http://127.0.0.1:8222',
    replicas: 1,
    auditOutboxBytes: 64 * 2 ** 20,
    stopTimeoutMs: 20_000,
  })
})

test('production needs to be told where NATS can be asked whether it flushes; development does not', () => {
  expect(message(least)).toContain('WRIT_NATS_MONITOR')
  expect(message({ ...least, WRIT_MODE: 'development' })).toBe('accepted')
})

test('everything that is wrong is named at once, and no value is', () => {
  const text = message({
    WRIT_MODE: 'development',
    WRIT_ANCHOR_KEY: 'hunter2',
    WRIT_HEALTH_PORT: '99999',
    WRIT_REPLICAS: 'x',
  })
  for (const name of ['WRIT_ENROLMENT', 'WRIT_STATE_DIR', 'WRIT_ANCHOR_KEY', 'WRIT_HEALTH_PORT', 'WRIT_REPLICAS']) {
    expect(text).toContain(name)
  }
  expect(text).not.toContain('hunter2')
  expect(text).not.toContain('99999')
})
