import { describe, expect, test } from 'vitest'
import { belongsElsewhere, JurisdictionDirectory, regionOfDevice, regionToAsk } from './jurisdictions.ts'

const directory: JurisdictionDirectory = {
  version: 1,
  devices: [
    { pattern: 'eu-press-99', region: 'us-east-1' },
    { pattern: 'eu-*', region: 'eusc-de-east-1' },
    { pattern: 'us-*', region: 'us-east-1' },
  ],
}

describe('a directory of jurisdictions', () => {
  test.each([
    ['eu-press-07', 'eusc-de-east-1'],
    ['eu-press-99', 'us-east-1'],
    ['eu-press-990', 'eusc-de-east-1'],
    ['us-1', 'us-east-1'],
    ['eu', undefined],
    ['press-07', undefined],
  ])('%s belongs to %s: the first pattern that fits decides', (id, region) => {
    expect(regionOfDevice(directory, id)).toBe(region)
  })

  test.each(['', '*', '-a', 'a*b', 'a**', 'a b', 'a.b', 'x'.repeat(65)])('refuses the pattern %j', (pattern) => {
    expect(JurisdictionDirectory.safeParse({ version: 1, devices: [{ pattern, region: 'r' }] }).success).toBe(false)
  })
})

describe('a refusal of what another plane decides', () => {
  test('names the region to ask, and can be read again', () => {
    expect(regionToAsk(belongsElsewhere('eusc-de-east-1').reason)).toBe('eusc-de-east-1')
  })

  test.each([
    { code: 'unknown_device', message: 'A target belongs to us-east-1: ask there.' },
    { code: 'wrong_jurisdiction', message: 'Data of this class may not be handled in this jurisdiction.' },
    { code: 'wrong_jurisdiction', message: 'A target belongs to -x: ask there.' },
    { code: 'wrong_jurisdiction', message: 'A target belongs to us-east-1: ask there. Or not.' },
  ] as const)('no region is read from $code, "$message"', (reason) => {
    expect(regionToAsk(reason)).toBeUndefined()
  })
})
