import { expect, test } from 'vitest'
import { whyNot } from './audit-report.ts'

test('a report says that something is marked in it only where something is, and else what may be missing', () => {
  const empty = { stories: [], others: [], missing: 0, gaps: [] }
  const nothing = { ...empty, doubtful: { intents: 0, others: 0, leaves: [] }, again: new Map() }
  expect(whyNot({ ...nothing, whole: true })).toEqual([])
  const [altered = '', ...none] = whyNot({ ...nothing, whole: false })
  expect([altered, none]).toEqual([expect.stringMatching(/^entries of the log were altered/), []])
  const doubtful = { intents: 2, others: 1, leaves: [4, 7] }
  expect(whyNot({ ...nothing, doubtful, whole: true })).toEqual([
    expect.stringMatching(/^2 intents and 1 other entries/),
  ])
  const story = { verified: false } as Parameters<typeof whyNot>[0]['stories'][number]
  expect(whyNot({ ...nothing, stories: [story], whole: true })).toEqual([expect.stringContaining('marked in it')])
  const again = new Map([['d', { state: 'different', changed: ['outcome'] } as const]])
  expect(whyNot({ ...nothing, again, whole: true })).toEqual([expect.stringContaining('not what its policy decides')])
})
