import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { generateJwk, signerOf } from '@writ/keys'
import { describe, expect, test } from 'vitest'
import { noteSignerOf } from '../log/note-signer.ts'
import { formatCheckpoint, openCheckpoint } from './checkpoint.ts'
import { openLogCheckpoint } from './log-verifier.ts'
import { EMPTY_ROOT } from './merkle.ts'
import { openNote } from './note.ts'
import { formatVkey, NOTE_COSIGNATURE, NOTE_ECDSA, type NoteVerifier, noteVerifier, parseVkey } from './note-key.ts'
import { SignedTimes } from './signed-time.ts'

const code = (name: string) => expect.objectContaining({ code: name })

// Keys of Rekor and of Pixel's log, each with a checkpoint of theirs, as github.com/transparency-dev/formats publishes them.
const ECDSA = [
  {
    vkey: 'rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=',
    note: 'Rekor\n798034\nf+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=\n\n— rekor.sigstore.dev wNI9ajBEAiARInWIWyCdyG27CO6LPnPekyw20qO0YJfoaPaowGp/XgIgc+qEHS3+GKVClgqq20uDLet7MCoTURUCRdxwWBHHufk=\n',
  },
  {
    vkey: 'pixel6_transparency_log+91c16e30+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN+4x0Jk1yTwvLFI9A4NDdGZcX0aiWVdWM5XJVy0M4VWD3AvyW5Q6Hs9A0mcDkpUoYgn+KKPNzFC0H3nN3q6JQ8=',
    note: 'DEFAULT\n10\nbsWRucJU5xJPHb5eBdOm6+DM+VelCZBuvtI3sHERJ9Y=\n\n— pixel6_transparency_log kcFuMDBFAiEAhqMAP8P6qf6QxtUJhzMhbN+MbZ9dwfUHzGQJmffJHtoCIGD0cNe47dHWBoPwYdgBCepB06/+g5O1FmYjXl06owL4\n',
  },
]
// The example of C2SP tlog-cosignature; the keys of those who signed it are not published.
const COSIGNED = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`

const ORIGIN = 'audit.example/eusc-de-east-1/2026h2'
const TIME = 1_800_000_000
const text = formatCheckpoint({ origin: ORIGIN, size: 0, root: EMPTY_ROOT, extensions: [] })
const log = signerOf(generateJwk('EdDSA'))
const p256 = signerOf(generateJwk('ES256'))
const clockSecret = generateJwk('EdDSA')
const clock = signerOf(clockSecret)
const cosigner = { signer: clock, nowSeconds: () => TIME }
const both = noteSignerOf(log, cosigner)
const [logKey, clockKey] = both.verifiers(ORIGIN) as [NoteVerifier, NoteVerifier]

describe('an ECDSA key (type 0x02)', () => {
  test.each(ECDSA)('as others publish it verifies what they signed: $vkey', ({ vkey, note }) => {
    const verifier = parseVkey(vkey)
    expect(verifier.type).toBe(NOTE_ECDSA)
    expect(formatVkey(verifier)).toBe(vkey)
    expect(openNote(note, [verifier]).verifiedBy).toEqual([verifier])
    expect(() => openNote(note.replace('\n10\n', '\n11\n').replace('798034', '798035'), [verifier])).toThrow(
      code('bad_signature'),
    )
  })

  test('of ours signs as those do, under a key id that its name is no part of', async () => {
    const signer = noteSignerOf(p256)
    const [a, b] = [signer.verifier(ORIGIN), signer.verifier('other')]
    expect(a.keyId).toBe(b.keyId)
    expect(openCheckpoint(await signer.note(ORIGIN, text), [a]).size).toBe(0)
    expect(parseVkey(formatVkey(a))).toEqual(a)
    expect(() => openCheckpoint(`${text}\n— ${ORIGIN} AAAAAA==\n`, [a])).toThrow(code('malformed'))
  })

  test('takes no signature but the one form that DER has', async () => {
    const signer = noteSignerOf(p256)
    const [verifier, note] = [signer.verifier(ORIGIN), await signer.note(ORIGIN, text)]
    const line = note.split(' ').at(-1)?.trim() ?? ''
    const bytes = Buffer.from(line, 'base64')
    const raw = Buffer.concat([bytes.subarray(0, 4), await p256.sign(Buffer.from(text))])
    for (const wrong of [raw, Buffer.concat([bytes, Buffer.of(0)]), bytes.subarray(0, -1)])
      expect(() => openNote(note.replace(line, wrong.toString('base64')), [verifier])).toThrow(code('bad_signature'))
  })

  test.each([
    ['another curve', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey],
    ['Ed25519', generateKeyPairSync('ed25519').publicKey],
  ])('is not of %s', (_, key) => {
    expect(() => noteVerifier('n', key.export({ format: 'der', type: 'spki' }), NOTE_ECDSA)).toThrow(RangeError)
  })

  test('is not a point beside its curve', () => {
    const spki = Buffer.from(noteSignerOf(p256).verifier('n').publicKey)
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    expect(() => noteVerifier('n', spki, NOTE_ECDSA)).toThrow(RangeError)
  })
})

describe('a cosignature (type 0x04)', () => {
  test('of the specification holds its time before its 64 bytes, and is nothing to who knows neither key', () => {
    const line = COSIGNED.trimEnd().split(' ').at(-1) ?? ''
    const bytes = Buffer.from(line, 'base64')
    expect(bytes).toHaveLength(4 + 8 + 64)
    expect(bytes.readBigUInt64BE(4)).toBe(1_679_315_147n)
    expect(() => openNote(COSIGNED, [logKey, clockKey])).toThrow(code('unknown_key'))
  })

  test('signs, beside the log, the time and the whole checkpoint, in the words of the specification', async () => {
    const note = await both.note(ORIGIN, text)
    const lines = note
      .slice(text.length + 1)
      .trimEnd()
      .split('\n')
    expect(lines.map((line) => line.split(' ')[1])).toEqual([ORIGIN, ORIGIN])
    const bytes = Buffer.from(lines[1]?.split(' ')[2] ?? '', 'base64')
    // Ed25519 gives one signature for one text.
    const key = createPrivateKey({ key: { ...clockSecret }, format: 'jwk' })
    const signed = sign(null, Buffer.from(`cosignature/v1\ntime ${TIME}\n${text}`), key)
    expect(bytes.subarray(12)).toEqual(signed)
    expect(bytes.readBigUInt64BE(4)).toBe(BigInt(TIME))
    expect(openCheckpoint(note, [logKey, clockKey])).toMatchObject({ origin: ORIGIN, signedTimeSeconds: TIME })
    expect(openCheckpoint(note, [logKey]), 'who does not know the cosigner').not.toHaveProperty('signedTimeSeconds')
  })

  test('alone does not make a checkpoint the log’s', async () => {
    const note = await both.note(ORIGIN, text)
    expect(() => openCheckpoint(note, [clockKey])).toThrow(code('unknown_key'))
    const impostor = noteSignerOf(signerOf(generateJwk('EdDSA')), cosigner)
    const forged = await impostor.note(ORIGIN, text)
    expect(() => openCheckpoint(forged, [logKey, clockKey])).toThrow(code('unknown_key'))
  })

  test('of another time, another tree or another key than it says spoils the checkpoint', async () => {
    const note = await both.note(ORIGIN, text)
    const [, line = ''] = note
      .slice(text.length + 1)
      .trimEnd()
      .split('\n')
    const blob = line.split(' ')[2] ?? ''
    for (const at of [11, 12, 75]) {
      const bytes = Buffer.from(blob, 'base64')
      bytes[at] = (bytes[at] ?? 0) ^ 1
      expect(() => openCheckpoint(note.replace(blob, bytes.toString('base64')), [logKey, clockKey])).toThrow(
        code('bad_signature'),
      )
    }
    for (const bytes of [Buffer.from(blob, 'base64').subarray(0, 12), Buffer.from(blob, 'base64').subarray(0, 40)])
      expect(() => openCheckpoint(note.replace(blob, bytes.toString('base64')), [logKey, clockKey])).toThrow(
        code('bad_signature'),
      )
  })

  test('is verified under a pin that goes on through the epochs, as the log key’s is', async () => {
    const name = 'audit.example/eusc-de-east-1'
    const pinned = [logKey, clockKey].map(({ publicKey, type }) =>
      parseVkey(formatVkey(noteVerifier(name, publicKey, type))),
    )
    const origin = `${name}/2031h2`
    const later = formatCheckpoint({ origin, size: 0, root: EMPTY_ROOT, extensions: [] })
    expect(openLogCheckpoint(await both.note(origin, later), pinned).signedTimeSeconds).toBe(TIME)
  })

  test('has another key id than a log key with the same bytes, and such a pair is refused', () => {
    const twin = noteVerifier(ORIGIN, logKey.publicKey, NOTE_COSIGNATURE)
    expect(twin.keyId).not.toBe(logKey.keyId)
    expect(() => noteSignerOf(log, { ...cosigner, signer: log })).toThrow(code('malformed'))
    expect(() => noteSignerOf(log, { ...cosigner, signer: p256 }).verifiers(ORIGIN)).toThrow(code('malformed'))
  })

  test('is waited for: without it there is no checkpoint', async () => {
    const away = { ...clock, sign: () => Promise.reject(new Error('KMS does not answer')) }
    await expect(noteSignerOf(log, { ...cosigner, signer: away }).note(ORIGIN, text)).rejects.toThrow('not answer')
  })
})

describe('signed times', () => {
  const at = (size: number, timeSeconds: number) => ({ size, timeSeconds, object: `checkpoints/${size}` })

  test('may stand still, and go back by what two clocks that are right may differ', () => {
    const times = new SignedTimes()
    for (const [size, time] of [
      [1, 100],
      [2, 100],
      [3, 96],
      [4, 101],
      [5, 96],
    ] as const)
      expect(times.add(at(size, time)), `${size}`).toBeUndefined()
    expect(times.latest).toEqual(at(4, 101))
  })

  test('that go back further are told, with the latest before, however slowly they went', () => {
    const times = new SignedTimes()
    times.add(at(1, 100))
    times.add(at(2, 97))
    expect(times.add(at(3, 94))).toEqual({ earlier: at(1, 100), later: at(3, 94) })
    expect(times.add(at(4, 99))).toBeUndefined()
    expect(times.add(at(5, 0))).toEqual({ earlier: at(1, 100), later: at(5, 0) })
  })

  test('of one size may be any: a checkpoint that is signed again is signed later or sooner', () => {
    const times = new SignedTimes()
    times.add(at(1, 100))
    expect(times.add(at(1, 50))).toBeUndefined()
  })
})
