import { generateJwk, signerOf } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { cosignerVerifier, logVerifier } from '../log/note-signer.ts'
import { formatVkey, type NoteVerifier } from './note-key.ts'
import { parseTlogPolicy } from './tlog-policy.ts'

const key = () => signerOf(generateJwk('EdDSA')).jwk
const log = logVerifier('audit.example/r-1/2026h2', key())
const keys: Record<string, NoteVerifier> = Object.fromEntries(
  ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'].map((name) => [name, cosignerVerifier(`${name}.example/w`, key())]),
)
const of = (...names: readonly string[]): NoteVerifier[] => names.map((name) => keys[name] as NoteVerifier)
const line = (name: string, url = ''): string => `witness ${name} ${formatVkey(keys[name] as NoteVerifier)} ${url}`
const LOG = `log ${formatVkey(log)}`
const WITNESSES = Object.keys(keys).map((name) => line(name))
/** The example of the specification. */
const EXAMPLE = [
  LOG,
  '',
  ...WITNESSES,
  'group X-witnesses 2 X1 X2 X3',
  'group Y-witnesses any Y1 Y2 Y3',
  '# both organisations',
  'group X-and-Y all X-witnesses Y-witnesses',
  'quorum X-and-Y',
].join('\n')

describe('a witness policy', () => {
  test.each([
    [['X1', 'X2', 'Y1'], true],
    [['X1', 'X3', 'Y1', 'Y2', 'Y3'], true],
    [['X1', 'Y1'], false],
    [['X1', 'X2', 'X3'], false],
    [[], false],
  ])('of groups, cosigned by %j: %j', (names, enough) => {
    expect(parseTlogPolicy(EXAMPLE).satisfiedBy(of(...names))).toBe(enough)
  })

  test('counts a witness once, however many lines it has, and a key only under its name', () => {
    const policy = parseTlogPolicy(EXAMPLE)
    expect(policy.satisfiedBy(of('X1', 'X1', 'Y1'))).toBe(false)
    const [x2] = of('X2')
    expect(policy.satisfiedBy([...of('X1', 'Y1'), { ...(x2 as NoteVerifier), name: 'other.example/w' }])).toBe(false)
  })

  test('names its logs and witnesses, with addresses', () => {
    const { logs, witnesses } = parseTlogPolicy(
      [`${LOG} https://log.example`, line('X1', 'https://w.example'), 'quorum X1'].join('\n'),
    )
    expect(logs).toEqual([{ verifier: log, url: 'https://log.example' }])
    expect(witnesses).toEqual([{ name: 'X1', verifier: keys['X1'], url: 'https://w.example' }])
  })

  test('may demand nothing', () => {
    expect(parseTlogPolicy('quorum none\n').satisfiedBy([])).toBe(true)
  })

  test.each([
    ['no quorum', [LOG], 1],
    ['two quorums', ['quorum none', 'quorum none'], 2],
    ['a quorum of what is not there', ['quorum X1'], 1],
    ['a quorum before its witness', ['quorum X1', line('X1')], 1],
    ['a group of what is not there', ['group g any X1', 'quorum g'], 1],
    ['a group of itself', ['group g any g', 'quorum g'], 1],
    ['a group without members', ['group g any', 'quorum none'], 1],
    ['a threshold of nothing', [line('X1'), 'group g 0 X1', 'quorum g'], 2],
    ['a threshold above its members', [line('X1'), 'group g 2 X1', 'quorum g'], 2],
    ['one member twice in a group', [line('X1'), 'group g 2 X1 X1', 'quorum g'], 2],
    ['one member in two groups', [line('X1'), line('X2'), 'group g any X1 X2', 'group h any X1', 'quorum g'], 4],
    ['none as a member', ['group g any none', 'quorum g'], 1],
    ['one name twice', [line('X1'), line('X2').replace('X2 ', 'X1 '), 'quorum X1'], 2],
    ['one witness key twice', [line('X1'), line('X1').replace('X1 ', 'Z '), 'quorum X1'], 2],
    ['one log key twice', [LOG, LOG, 'quorum none'], 2],
    ['a log key as witness', [`witness L ${formatVkey(log)}`, 'quorum L'], 1],
    ['a witness key as log', [`log ${formatVkey(keys['X1'] as NoteVerifier)}`, 'quorum none'], 1],
    ['a key that is none', ['log x+00000000+AAAA', 'quorum none'], 1],
    ['a word that is not known', ['logs x', 'quorum none'], 1],
    ['a word too many', ['quorum none none'], 1],
    ['a carriage return', ['quorum none\r'], 1],
  ])('is refused with its line: %s', (_, lines, at) => {
    expect(() => parseTlogPolicy(lines.join('\n'))).toThrow(
      expect.objectContaining({ code: 'malformed', message: expect.stringContaining(`line ${at}`) }),
    )
  })
})
