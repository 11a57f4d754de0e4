import { expect, test } from 'vitest'
import { keysIn } from './keys-in.ts'

test('reads which keys of a new plane lie elsewhere, and none where nothing says so', () => {
  const env = {
    WRIT_LOG_KEY: 'kms:alias/log',
    WRIT_COSIGN_KEY: 'file:',
    WRIT_WRAP_KEY: '',
    WRIT_ANCHOR_KEY_AUDIT_SINK: 'kms:alias/audit-sink',
  }
  expect(keysIn(env)).toEqual({
    log: 'kms:alias/log',
    cosign: 'file:',
    anchors: { 'audit-sink': 'kms:alias/audit-sink' },
  })
  expect(keysIn({ WRIT_LOG_KEY: '', PATH: '/bin' })).toBeUndefined()
})
