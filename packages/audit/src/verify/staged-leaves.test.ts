import { expect, test } from 'vitest'
import { encodeStaged } from '../log/seal.ts'
import { stagedLeaves, stagedLeavesAsWritten } from './staged-leaves.ts'

const HEAD = { seq: 3, digest: 'A'.repeat(43), at: 7, ahead: [], late: [] }
const staged = (entries: readonly string[]) => ({
  origin: 'audit.example/r/2026h2',
  n: 12,
  predecessor: 'audit.example/r/2026h1',
  streams: { AUDIT: { created: '2026', seq: 9 } },
  sources: new Map([['token-issuer/i1/b1', HEAD]]),
  entries,
})
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

test('what a writer makes is read the same way from its bytes as from its values', () => {
  for (const entries of [['a.b.c'], ['a.b.c', 'd.e.f'], Array.from({ length: 600 }, (_, n) => `${n}.x.${n}`)]) {
    const bytes = encodeStaged(staged(entries))
    expect(stagedLeavesAsWritten(bytes)).toEqual(stagedLeaves(bytes))
    expect(stagedLeaves(bytes)?.n).toBe(12)
  }
})

test('other entries, or another order of them, are other leaves', () => {
  const of = (...entries: string[]) => stagedLeavesAsWritten(encodeStaged(staged(entries)))?.leaves
  const all = [of('a', 'b'), of('b', 'a'), of('ab'), of('a'), of('a', 'b', '')].map((leaves) =>
    text(leaves ?? new Uint8Array()),
  )
  expect(new Set(all).size).toBe(5)
})

test('what was made otherwise is left to who reads values', () => {
  const written = text(encodeStaged(staged(['a.b.c', 'd.e.f'])))
  const others = [
    written.replace('"a.b.c"', '"a.b\\u002ec"'),
    written.replace('"a.b.c",', '"a.b.c", '),
    written.replace('"a.b.c","d.e.f"', '"x"],"entries":["a.b.c","d.e.f"'),
    written.replace('"a.b.c"', '7'),
    written.trimEnd(),
    written.replace('"n":12', '"n":-1'),
    written.replace('"entries"', '"other"'),
    '',
    '"]}\n',
    ',"entries":["]}\n',
  ]
  for (const other of others) expect(stagedLeavesAsWritten(Buffer.from(other)), other).toBeUndefined()
  expect(stagedLeaves(Buffer.from(others[0] ?? ''))).toEqual(stagedLeaves(Buffer.from(written)))
})
