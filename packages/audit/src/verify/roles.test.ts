import { type AuditEvent, EVENT_TYPES, type EventType, SERVICE_ROLES } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { mayHaveSaid, SPEAKERS } from './roles.ts'

const event = (type: EventType, fields: Partial<AuditEvent> = {}): AuditEvent => ({
  event_id: '019ab000-0000-7000-8000-000000000000',
  timestamp: '2026-11-01T00:00:00.000Z',
  type,
  status: 'succeeded',
  ...fields,
})

describe('who may say what', () => {
  test('is known of every type of the contract, and of no other', () => {
    expect(Object.keys(SPEAKERS).sort()).toEqual([...EVENT_TYPES].sort())
    for (const type of EVENT_TYPES) expect([type, SPEAKERS[type].length > 0]).toEqual([type, true])
  })

  test('a gateway may say what it did, what it applied and that it is there: nothing of intents, authority or others', () => {
    const said = EVENT_TYPES.filter((type) => mayHaveSaid(event(type, { gateway_id: 'g1' }), 'gateway', 'g1'))
    expect(said.filter((type) => !/^(source|action)\./.test(type))).toEqual(['control.applied', 'control.void'])
    expect(said.filter((type) => type.startsWith('source.'))).toHaveLength(3)
  })

  test('how an intent was refused is intent-gateway’s to say alone', () => {
    const speakers = [...SERVICE_ROLES, 'gateway'].filter((role) => mayHaveSaid(event('intent.refused'), role, 'g1'))
    expect(speakers).toEqual(['intent-gateway'])
  })

  test('a gateway names itself in what it says of actions and control messages', () => {
    const types = EVENT_TYPES.filter((type) => /^(action|control)\./.test(type))
    for (const type of types) {
      const said = [undefined, 'g2', 'g1'].map((id) =>
        mayHaveSaid(event(type, id === undefined ? {} : { gateway_id: id }), 'gateway', 'g1'),
      )
      expect([type, ...said]).toEqual([type, false, false, true])
    }
  })
})
