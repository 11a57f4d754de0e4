import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ecdsaFromDer, ecdsaToDer } from './ecdsa-der.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const raw = (hex: string): Uint8Array => Buffer.from(hex.padStart(64, '0'), 'hex')

test('gives back what OpenSSL encoded, for signatures of every length', () => {
  const lengths = new Set<number>()
  for (let n = 0; n < 300; n++) {
    const der = sign('sha256', Buffer.from([n & 255, n >> 8]), privateKey)
    const signature = ecdsaFromDer(der)
    lengths.add(der.length)
    expect(signature).toHaveLength(64)
    expect(Buffer.from(ecdsaToDer(signature as Uint8Array))).toEqual(der)
  }
  expect(lengths.size).toBeGreaterThan(2)
})

test('any r and s come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (signature) => {
      expect(ecdsaFromDer(ecdsaToDer(signature))).toEqual(signature)
    }),
  )
  for (const r of ['', '01', '80', `${'00'.repeat(31)}ff`, 'ff'.repeat(32)]) {
    const signature = Buffer.concat([raw(r), raw('7f')])
    expect(Buffer.from(ecdsaFromDer(ecdsaToDer(signature)) ?? [])).toEqual(signature)
  }
  expect(() => ecdsaToDer(new Uint8Array(63))).toThrow(RangeError)
})

test.each([
  ['nothing', ''],
  ['no sequence', '3106020101020102'],
  ['a length that is not its own', '3007020101020102'],
  ['a long form of the length', '308106020101020102'],
  ['bytes after it', '300602010102010200'],
  ['bytes within it', '300702010102010200'],
  ['one integer only', '3003020101'],
  ['a third integer', '3009020101020102020103'],
  ['a negative integer', '3006020181020102'],
  ['a zero too many', '300702020001020102'],
  ['an empty integer', '30050200020102'],
  ['an integer beyond the end', '3006020101027f02'],
  ['an integer of 33 bytes', `3026022101${'00'.repeat(32)}020101`],
  ['another type', '3006040101020102'],
])('refuses %s', (_, hex) => {
  expect(ecdsaFromDer(Buffer.from(hex, 'hex'))).toBeUndefined()
})

test('never throws, and takes nothing that it would not write', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const signature = ecdsaFromDer(bytes)
      if (signature !== undefined) expect(ecdsaToDer(signature)).toEqual(bytes)
    }),
  )
})
