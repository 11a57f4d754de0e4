import { expect, test } from 'vitest'
import { html } from './audit-html.ts'

const HOSTILE = '\u{202e}"><b>'

test('a character that is not seen is marked in text, and is text alone in an attribute', () => {
  const { text } = html`<p class="a ${HOSTILE}" id="${[HOSTILE, 'x']}">${HOSTILE}<br>${['\u{200b}']}</p>`
  const quoted = 'U+202E&quot;&gt;&lt;b&gt;'
  const marked = '<b class="unseen">U+202E</b>&quot;&gt;&lt;b&gt;'
  expect(text).toBe(`<p class="a ${quoted}" id="${quoted}x">${marked}<br><b class="unseen">U+200B</b></p>`)
})
