import { describe, expect, test } from 'vitest'
import { bindRefusal, within } from './bind.ts'

describe('networks', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', 'fe80::1', false],
    ['::1/128', '::1', true],
    ['10.0.0.0/8', 'fd12::1', false],
    ['10.0.0.0/33', '10.0.0.1', false],
    ['10.0.0.0/', '10.0.0.1', false],
    ['10.0.0.0/-1', '10.0.0.1', false],
    ['10.0.0.0/8/8', '10.0.0.1', false],
    ['10.0.0/8', '10.0.0.1', false],
    ['example', '10.0.0.1', false],
    ['10.0.0.0/8', 'press-07', false],
    ['10.0.0.0/8', '10.0.0.1:502', false],
  ])('%s holds %s: %s', (cidr, address, expected) => {
    expect(within(cidr, address)).toBe(expected)
  })
})

describe('device state', () => {
  const at = (state: object) => ({ state: state as never, address: '10.0.0.1' })
  test.each([
    [{ guard: 'closed' }, { guard: 'closed', mode: 'idle' }, true],
    [{ guard: 'closed' }, { guard: 'open' }, false],
    [{ guard: 'closed' }, {}, false],
    [{ n: 1 }, { n: '1' }, false],
    [{ n: null }, {}, false],
    [{ deep: { b: 1, a: [2] } }, { deep: { a: [2], b: 1 } }, true],
    [{ deep: { a: [2] } }, { deep: { a: [2], b: 1 } }, false],
    [{ toString: 'x' }, {}, false],
  ])('%j holds for %j: %s', (device_state, state, expected) => {
    expect(bindRefusal({ device_state: device_state as never }, at(state)) === undefined).toBe(expected)
  })

  test('network and state are both asked', () => {
    const bind = { network: ['10.0.0.0/8'], device_state: { mode: 'idle' } }
    expect(bindRefusal(bind, at({ mode: 'idle' }))).toBeUndefined()
    expect(bindRefusal(bind, { state: { mode: 'idle' }, address: '192.168.0.1' })).toContain('network')
    expect(bindRefusal(bind, at({ mode: 'running' }))).toContain('state')
  })
})
