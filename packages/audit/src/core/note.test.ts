import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { leafHash, merkleRoot } from './merkle.ts'
import { formatNote, formatVkey, type NoteVerifier, noteVerifier, openNote, parseVkey } from './note.ts'
import { formatTlogProof, parseTlogProof, verifyTlogProof } from './tlog-proof.ts'

const VKEYS = [
  'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
  'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
  'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx',
]
const SPEC_NOTE =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'
const GO_NOTE =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
const [SPEC_KEY, GO_KEY] = [parseVkey(VKEYS[0] as string), parseVkey(VKEYS[1] as string)]

interface NoteKey {
  readonly verifier: NoteVerifier
  readonly sign: (text: string) => { verifier: NoteVerifier; signature: Uint8Array }
}

function noteKey(name: string): NoteKey {
  const { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('ed25519')
  const verifier = noteVerifier(name, publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  return { verifier, sign: (text) => ({ verifier, signature: sign(null, Buffer.from(text), privateKey) }) }
}

const code = (name: string) => expect.objectContaining({ code: name })

describe('vkeys', () => {
  test.each(VKEYS)('parse and are written back: %s', (vkey) => {
    expect(formatVkey(parseVkey(vkey))).toBe(vkey)
  })

  test('with any character changed or cut away are refused', () => {
    const vkey = VKEYS[1] as string
    for (let at = 0; at < vkey.length; at++) {
      const next = String.fromCharCode(vkey.charCodeAt(at) + 1)
      expect(() => parseVkey(vkey.slice(0, at) + next + vkey.slice(at + 1)), `changed at ${at}`).toThrow(
        code('malformed'),
      )
      expect(() => parseVkey(vkey.slice(0, at)), `cut at ${at}`).toThrow(code('malformed'))
    }
  })

  test.each([
    ['wrong key length, right id', 'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=='],
    ['unknown type, right id', 'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'],
  ])('of %s are refused', (_, vkey) => {
    expect(() => parseVkey(vkey)).toThrow(code('malformed'))
  })

  test.each(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\nb'])('cannot have the name %j', (name) => {
    expect(() => noteVerifier(name, new Uint8Array(32))).toThrow(RangeError)
  })
})

describe('notes', () => {
  test('of the specification and of the Go documentation verify', () => {
    expect(openNote(SPEC_NOTE, [SPEC_KEY]).text).toBe('This is an example message.\n')
    expect(openNote(GO_NOTE, [SPEC_KEY, GO_KEY]).verifiedBy).toEqual([GO_KEY])
  })

  test('refuse when no known key has signed', () => {
    expect(() => openNote(SPEC_NOTE, [GO_KEY])).toThrow(code('unknown_key'))
    expect(() => openNote(SPEC_NOTE, [])).toThrow(code('unknown_key'))
  })

  test('refuse when any known signature fails, though another verifies', () => {
    const [a, b] = [noteKey('a'), noteKey('b')]
    const forged = { verifier: b.verifier, signature: b.sign('other\n').signature }
    const note = formatNote('text\n', [a.sign('text\n'), forged])
    expect(() => openNote(note, [a.verifier, b.verifier])).toThrow(code('bad_signature'))
    expect(openNote(note, [a.verifier]).verifiedBy).toEqual([a.verifier])
  })

  test('take the same name with another key id for another key', () => {
    const [a, impostor] = [noteKey('log'), noteKey('log')]
    const note = formatNote('text\n', [impostor.sign('text\n'), a.sign('text\n')])
    expect(openNote(note, [a.verifier]).verifiedBy).toEqual([a.verifier])
  })

  test('with 40 signatures of others still open', () => {
    const others = Array.from({ length: 40 }, (_, at) => noteKey(`witness${at}`))
    const own = noteKey('log')
    const note = formatNote(
      'text\n',
      [...others, own].map((key) => key.sign('text\n')),
    )
    expect(openNote(note, [own.verifier]).text).toBe('text\n')
  })

  test('may have empty lines in the text: the last one separates', () => {
    const own = noteKey('log')
    const text = 'one\n\ntwo\n'
    expect(openNote(formatNote(text, [own.sign(text)]), [own.verifier]).text).toBe(text)
  })

  test('change no byte without being refused', () => {
    for (let at = 0; at < SPEC_NOTE.length; at++) {
      const changed =
        SPEC_NOTE.slice(0, at) + String.fromCharCode(SPEC_NOTE.charCodeAt(at) ^ 1) + SPEC_NOTE.slice(at + 1)
      expect(() => openNote(changed, [SPEC_KEY]), `changed at ${at}`).toThrow()
    }
  })

  test.each([
    ['empty', ''],
    ['no signature', 'text\n'],
    ['no signature line', 'text\n\n'],
    ['a hyphen for the dash', SPEC_NOTE.replace('—', '-')],
    ['no final line feed', SPEC_NOTE.slice(0, -1)],
    ['a carriage return', SPEC_NOTE.replace('message', 'mes\rsage')],
    ['a tab', SPEC_NOTE.replace('message', 'mes\tsage')],
    ['base64 without padding', SPEC_NOTE.replace('aQM=', 'aQM')],
    ['base64 with unused bits', SPEC_NOTE.replace('aQM=', 'aQN=')],
    ['a lone surrogate', SPEC_NOTE.replace('message', 'mes\ud800sage')],
    ['too long', `${'a'.repeat(70_000)}${SPEC_NOTE}`],
  ])('that are %s are malformed', (_, note) => {
    expect(() => openNote(note, [SPEC_KEY])).toThrow(code('malformed'))
  })
})

describe('checkpoints', () => {
  const root = merkleRoot([leafHash(Buffer.from('x'))])
  const checkpoint = { origin: 'audit.example/r/2026h2', size: 1, root, extensions: [] }
  const text = formatCheckpoint(checkpoint)

  test('are written and read in one form', () => {
    expect(text).toBe(`audit.example/r/2026h2\n1\n${Buffer.from(root).toString('base64')}\n`)
    expect(parseCheckpoint(text)).toEqual({ ...checkpoint, root: Buffer.from(root) })
    expect(parseCheckpoint(`${text}an extension\n`).extensions).toEqual(['an extension'])
  })

  test.each([
    ['leading zero', text.replace('\n1\n', '\n01\n')],
    ['negative size', text.replace('\n1\n', '\n-1\n')],
    ['size above 2^53', text.replace('\n1\n', '\n9007199254740992\n')],
    ['short root', text.replace(Buffer.from(root).toString('base64'), 'AAAA')],
    ['no root', 'origin\n1\n'],
    ['empty extension', `${text}\nx\n`],
    ['no final line feed', text.slice(0, -1)],
  ])('with %s are malformed', (_, bad) => {
    expect(() => parseCheckpoint(bad)).toThrow(code('malformed'))
  })

  test('signed by a known key of another name are refused', () => {
    const [log, other] = [noteKey(checkpoint.origin), noteKey('audit.example/r/2027h1')]
    expect(openCheckpoint(formatNote(text, [log.sign(text)]), [log.verifier]).size).toBe(1)
    const note = formatNote(text, [other.sign(text)])
    expect(() => openCheckpoint(note, [log.verifier, other.verifier])).toThrow(code('unknown_key'))
  })
})

describe('transparency log proofs', () => {
  const entries = [Buffer.from('a'), Buffer.from('b')]
  const [a, b] = [leafHash(entries[0] as Buffer), leafHash(entries[1] as Buffer)]
  const log = noteKey('log.example/1')
  const text = formatCheckpoint({ origin: 'log.example/1', size: 2, root: merkleRoot([a, b]), extensions: [] })
  const proof = { index: 1, proof: [a], checkpoint: formatNote(text, [log.sign(text)]) }

  test('are written, read and verified', () => {
    const written = formatTlogProof(proof)
    expect(written.split('\n').slice(0, 4)).toEqual([
      'c2sp.org/tlog-proof@v1',
      'index 1',
      Buffer.from(a).toString('base64'),
      '',
    ])
    const read = parseTlogProof(written)
    expect(verifyTlogProof(read, entries[1] as Buffer, [log.verifier]).size).toBe(2)
    expect(parseTlogProof(formatTlogProof({ ...proof, extra: Buffer.from('note') })).extra?.toString()).toBe('note')
  })

  test('of another entry, place or log are refused', () => {
    expect(() => verifyTlogProof(proof, entries[0] as Buffer, [log.verifier])).toThrow(code('chain_broken'))
    expect(() => verifyTlogProof({ ...proof, index: 0 }, entries[1] as Buffer, [log.verifier])).toThrow(
      code('chain_broken'),
    )
    expect(() => verifyTlogProof(proof, entries[1] as Buffer, [noteKey('log.example/1').verifier])).toThrow(
      code('unknown_key'),
    )
  })

  test.each([
    '',
    'c2sp.org/tlog-proof@v2\nindex 0\n\nx',
    'c2sp.org/tlog-proof@v1\nindex 01\n\nx',
    'c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx',
    'c2sp.org/tlog-proof@v1\nindex 0',
  ])('that are not proofs are malformed: %j', (bad) => {
    expect(() => parseTlogProof(bad)).toThrow(code('malformed'))
  })
})
