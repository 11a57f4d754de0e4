import { describe, expect, test } from 'vitest'
import { codeOf } from '../testing/decisions.ts'
import { formatValue, parseTokenValue, parseUseId, parseUseValue } from './uses.ts'

const DIGEST = 'A'.repeat(43)
const bytes = (text: string) => new TextEncoder().encode(text)

describe('the bucket of uses', () => {
  test('gives back what was written', () => {
    const minted = { token: 'a.b.c', steps: ['s0'], users: ['u'], keys: [DIGEST] }
    expect(parseTokenValue(bytes(formatValue(minted)))).toEqual(minted)
    expect(parseUseValue(bytes(formatValue({ redeem: DIGEST })))).toEqual({ redeem: DIGEST })
    expect(parseUseValue(bytes(formatValue({ closed: 'cancelled' })))).toEqual({ closed: 'cancelled' })
  })

  test.each(['', '{}', 'null', '{"redeem":"x"}', '{"closed":"later"}', `{"redeem":"${DIGEST}","closed":"expired"}`])(
    'what no issuer wrote (%s) is not known, never free',
    async (text) => {
      expect(await codeOf(() => parseUseValue(bytes(text)))).toBe('unavailable')
      expect(await codeOf(() => parseTokenValue(bytes(text)))).toBe('unavailable')
    },
  )

  test.each(['p/s', 'p/s/0', 'p/s/01', 'p/s/100', 'p.x/s/1', 'p/s/1/1', '../s/1', 'p/s/1\n'])(
    '%j names no use',
    async (id) => {
      expect(await codeOf(() => parseUseId(id))).toBe('malformed')
    },
  )
})
