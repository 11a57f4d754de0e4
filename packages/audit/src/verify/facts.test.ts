import { describe, expect, test } from 'vitest'
import { Facts } from './facts.ts'

const COUNT = 20_000

/** Most of what is said does not fit into memory. */
const small = () => new Facts(1000)

describe('facts that went to the file', () => {
  test('are there, each under its name alone', () => {
    const facts = small()
    for (let n = 0; n < COUNT; n++) facts.set(`number ${n}`, n)
    for (let n = 0; n < COUNT; n++) facts.set(`text ${n}`, `value ${n}`)
    for (let n = 0; n < COUNT; n += 7) {
      expect(facts.number(`number ${n}`)).toBe(n)
      expect([facts.isText(`text ${n}`, `value ${n}`), facts.isText(`text ${n}`, `value ${n + 1}`)]).toEqual([
        true,
        false,
      ])
      expect([facts.number(`number ${n + COUNT}`), facts.isText(`other ${n}`, `value ${n}`)]).toEqual([
        undefined,
        undefined,
      ])
    }
    facts.close()
  })

  test('are replaced by later ones of the same name', () => {
    const facts = small()
    for (const round of [1, 2, 3])
      for (let n = 0; n < 3000; n++) {
        facts.set(`number ${n}`, n * round)
        facts.set(`text ${n}`, `value ${round}`)
      }
    for (let n = 0; n < 3000; n += 13) {
      expect(facts.number(`number ${n}`)).toBe(n * 3)
      expect([facts.isText(`text ${n}`, 'value 3'), facts.isText(`text ${n}`, 'value 1')]).toEqual([true, false])
    }
    facts.close()
  })

  test('count with their lowest value, whenever that was said', () => {
    const facts = small()
    for (const value of [7, 3, 9, 5]) for (let n = 0; n < 3000; n++) facts.setLowest(`fact ${n}`, value + n)
    for (let n = 0; n < 3000; n += 11) {
      expect(facts.lowest(`fact ${n}`)).toBe(3 + n)
      expect(facts.lowest(`fact ${n}`, 100_000)).toBeLessThanOrEqual(100_000)
    }
    expect(facts.lowest('none')).toBeUndefined()
    facts.close()
  })
})

test('a temporary folder that cannot be written to is said, not passed over', () => {
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = '/dev/null/nowhere'
  try {
    const facts = small()
    const fill = () => {
      for (let n = 0; n < 5000; n++) facts.set(`fact ${n}`, n)
    }
    expect(fill).toThrow(/nowhere/)
  } finally {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
})
