import type { ReasonCode } from '@writ/contracts'
import { describe, expect, test } from 'vitest'
import { stateOfSteps } from './final-state.ts'

const step = (text: string) => {
  const [state, code] = text.split(':') as [never, ReasonCode | undefined]
  return { state, ...(code !== undefined && { reason: { code, message: 'why' } }) }
}

const TABLE: readonly (readonly [steps: string, state: string])[] = [
  ['waiting', 'executing'],
  ['started', 'executing'],
  ['succeeded started', 'executing'],
  ['unknown waiting', 'executing'],
  ['succeeded', 'succeeded'],
  ['succeeded succeeded', 'succeeded'],
  ['succeeded failed', 'partial'],
  ['succeeded cancelled', 'partial'],
  ['succeeded refused:revoked', 'partial'],
  ['failed', 'failed'],
  ['failed aborted:stopped', 'failed'],
  ['refused:chain_broken', 'failed'],
  ['refused:too_late', 'failed'],
  ['failed expired', 'failed'],
  ['aborted:revoked', 'failed'],
  ['cancelled', 'cancelled'],
  ['cancelled refused:cancelled', 'cancelled'],
  ['expired', 'expired'],
  ['refused:token_expired', 'expired'],
  ['aborted:expired', 'expired'],
  ['revoked', 'revoked'],
  ['refused:quarantined', 'revoked'],
  ['cancelled expired', 'cancelled'],
  ['revoked cancelled', 'revoked'],
  ['unknown', 'unknown'],
  ['unknown succeeded', 'unknown'],
  ['unknown failed', 'unknown'],
]

describe('the state of an intent whose plans are out', () => {
  test.each(TABLE)('steps that are %s make it %s', (steps, state) => {
    expect(stateOfSteps(steps.split(' ').map(step))).toBe(state)
  })
})
