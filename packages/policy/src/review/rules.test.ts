import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBundle } from '../bundle/open-bundle.ts'
import { ruleOfReason, rulesOf, rulesThatAllow } from './rules.ts'

const bundle = openBundle(readFileSync(new URL('../../../../policies/bundle/bundle.tar.gz', import.meta.url)))

describe('the rules of the supplied bundle', () => {
  it('are found for every reason that it can give', () => {
    for (const reason of bundle.reasons) expect(ruleOfReason(bundle, reason), reason.message).toBeDefined()
  })

  it('are whole, stand where it is said, and are said once', () => {
    const rules = rulesOf(bundle)
    const lines = new Map([...bundle.modules].map(([path, text]) => [path.replace(/^\//, ''), text.split('\n')]))
    for (const { path, line, text } of rules) {
      const written = lines.get(path)?.slice(line - 1, line - 1 + text.split('\n').length)
      expect(written?.join('\n')).toBe(text)
    }
    const code = [...lines].flatMap(([path, text]) =>
      text.flatMap((line, at) => (line === '' || /^(#|package |import )/.test(line) ? [] : [`${path}:${at + 1}`])),
    )
    const covered = rules.flatMap(({ path, line, text }) =>
      text.split('\n').flatMap((one, at) => (one === '' ? [] : [`${path}:${line + at}`])),
    )
    expect(covered.toSorted()).toEqual(code.toSorted())
  })

  it('name what they rest on: their own helpers, what of the input they look at, and the tables', () => {
    const reason = {
      code: 'policy_denied',
      message: 'The device is in a mode in which a restart is not safe.',
    } as const
    const trace = ruleOfReason(bundle, reason)
    expect(trace?.rule).toMatchObject({
      path: 'rego/actions/restart.rego',
      package: 'writ.actions.restart',
      name: 'deny',
    })
    expect(trace?.uses.map(({ name }) => name)).toEqual(expect.arrayContaining(['mode_safe', 'known', 'one_of']))
    expect(trace).toMatchObject({ inputs: ['input.target.report.state'], tables: ['data.restart.modes'] })
  })

  it('that allow an action are those of its workflow, and there are none for an unknown one', () => {
    expect(rulesThatAllow(bundle, 'config-change')).toMatchObject({
      rule: { path: 'rego/actions/config-change.rego', name: 'allow' },
      tables: expect.arrayContaining(['data.config.networks']) as string[],
    })
    expect(rulesThatAllow(bundle, 'levitate')).toBeUndefined()
  })
})

describe('reading rules', () => {
  it('takes brackets in texts and comments for what they are', () => {
    const text = 'package writ.a\n\nx := "}{(" # {\n\ny contains 1 if {\n\ttrue # }\n\n\t`{`\n}\n\nz := 1\n'
    expect(rulesOf({ modules: new Map([['a.rego', text]]) }).map(({ name, line }) => [name, line])).toEqual([
      ['x', 3],
      ['y', 5],
      ['z', 11],
    ])
  })

  it('ends on any text', () => {
    const piece = fc.constantFrom(
      '\n',
      '{',
      '}',
      'package ',
      'import data.a',
      '# METADATA',
      '# title: ',
      'x if ',
      '"',
      '`',
      '#',
      ' ',
      'default ',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'grapheme' }))), (pieces) => {
        const modules = new Map([['a.rego', pieces.join('')]])
        rulesOf({ modules })
        ruleOfReason({ modules }, { code: 'policy_denied', message: '' })
      }),
    )
  })
})
