import { expect, test } from 'vitest'
import { redact } from './redact.ts'

test.each([
  ['a member', { a: 1, b: 2 }, ['/a'], { b: 2 }],
  ['a nested member', { a: { b: { c: 1, d: 2 } } }, ['/a/b/c'], { a: { b: { d: 2 } } }],
  ['an element, whose place stays', { a: [1, 2, 3] }, ['/a/1'], { a: [1, null, 3] }],
  ['two elements, each in its own place', { a: [1, 2, 3] }, ['/a/0', '/a/1'], { a: [null, null, 3] }],
  ['names with / and ~', { 'a/b': 1, 'c~d': 2, e: 3 }, ['/a~1b', '/c~0d'], { e: 3 }],
  ['~01 is ~1, not /', { '~1': 1, '/': 2 }, ['/~01'], { '/': 2 }],
  ['a member with an empty name', { '': 1, a: 2 }, ['/'], { a: 2 }],
  ['nothing where nothing is', { a: 1 }, ['/b', '/a/b', '/a/b/c'], { a: 1 }],
  [
    'no element behind the end, nor by another spelling',
    { a: [1] },
    ['/a/1', '/a/-', '/a/00', '/a/length'],
    { a: [1] },
  ],
  ['nothing of what every object has', { a: 1 }, ['/constructor/prototype', '/__proto__/x'], { a: 1 }],
])('removes %s', (_, result, pointers, expected) => {
  const before = structuredClone(result)
  expect(redact(result, pointers)).toEqual(expected)
  expect(result).toEqual(before)
})
